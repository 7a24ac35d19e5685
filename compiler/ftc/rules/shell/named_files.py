"""Rules on the files that scripts and configurations name: they exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.manifests.configs import Config, file_named, of_trainer
from ftc.manifests.files import Existence, directory_at, existence, join, resolved, similar_file
from ftc.manifests.program import script_file
from ftc.manifests.steps import Run, Step, spot_of
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.shell.script import Command, Word
    from ftc.manifests.text import Spot

_APPENDED = re.compile(r"^\s*([A-Za-z_]\w*)\s*:\s*([^\s#]+)", re.MULTILINE)


def training_config_files_exist(run: Run) -> Iterator[Finding]:
    """The files that the trainer's YAML names exist before the trainer starts.

    A relative name is resolved in the working directory of the trainer. The rule reports a file only if nothing but the
    script could have created it.
    Source: LLaMA-Factory and transformers (deepspeed), which read the file only in the branch that needs it.

    Wrong: tests/corpus/bad/FTC875-missing-deepspeed-config.yaml
    Right: tests/corpus/good/FTC875-deepspeed-written.yaml
    """
    for config in of_trainer(run):
        named = config.value("deepspeed")
        if isinstance(named, str):
            yield from _absent(config, named, config.at("deepspeed"))
        for more in config.more:
            for key, value in _APPENDED.findall(more.text.value if more.text is not None else ""):
                if key == "deepspeed":
                    yield from _absent(config, value, more.text.at() if more.text is not None else config.at())


def _absent(config: Config, name: str, place: Spot) -> Iterator[Finding]:
    run, step, runs = config.run, config.step, config.runs
    if run is None or step is None or runs is None:
        return
    path = file_named(config, name)
    if existence(run, step, path, runs.start) is Existence.ABSENT:
        similar = similar_file(step, path)
        help_ = f"did you mean '{similar}'?" if similar else "create it, or write its content inline"
        yield Finding(place, f"nothing creates {name}", help_)


def scripts_and_configs_exist(run: Run) -> Iterator[Finding]:
    """The script that a container runs and the configuration that a launcher reads exist.

    The shell fails with `No such file or directory`. The rule reports a file only if nothing but the script or a
    ConfigMap of the input could provide it, or if a similar, unused name is provided.
    Source: LLaMA-Factory, hparams/parser.py; accelerate, commands/launch.py.

    Wrong: tests/corpus/bad/FTC878-config-of-another-name.yaml
    Right: tests/corpus/good/FTC878-config-of-the-image.yaml
    """
    for step in run.steps:
        named = [(word, resolved(step, word, start)) for word, start in _configs(step)]
        places = [(spot_of(step, word), path, word.start) for word, path in named if path is not None]
        script = script_file(step.container)
        if script is not None:
            field, index, path = script
            if "\n" in path.strip() or (" " in path and "/" not in path.split()[0]):
                yield Finding(step.at(field, index), "the shell reads this as a file name", "add -c before it")
            places.append((step.at(field, index), path, 0))
        for place, path, start in places:
            if existence(run, step, path, start) is Existence.ABSENT:
                similar = similar_file(step, path)
                help_ = f"did you mean '{similar}'?" if similar else "create it, or mount it"
                yield Finding(place, f"nothing creates {path}", help_)


def _configs(step: Step) -> Iterator[tuple[Word, int]]:
    """The YAML files that launchers and LLaMA-Factory read, each with the place of its command."""
    for launch in step.launches:
        word = launch.option("config_file")
        if word is not None:
            yield word, launch.command.start
        if launch.tool != "llamafactory":
            yield from ((word, launch.command.start) for word in launch.rest if _is_yaml(word))
    for command in step.script.named("llamafactory-cli", "lmf"):
        yield from ((word, command.start) for word in command.arguments if _is_yaml(word))


def _is_yaml(word: Word) -> bool:
    return (word.text or "").endswith((".yaml", ".yml"))


_NO_SMUDGE = {"--skip-smudge", "-s"}
_LFS_OFF = ("1", "true", "yes", "on")


def lfs_files_are_pulled(run: Run) -> Iterator[Finding]:
    """The LFS files of a clone are downloaded before a training reads them.

    With GIT_LFS_SKIP_SMUDGE=1, or after `git lfs install --skip-smudge`, a clone has small pointer files in place of
    the weights, until `git lfs pull`. The training fails with `HeaderTooLarge`, or reads the pointers as data.
    Source: git-lfs, GIT_LFS_SKIP_SMUDGE; transformers, issue 27923.

    Wrong: tests/corpus/bad/FTC711-clone-of-pointers.yaml
    Right: tests/corpus/good/FTC711-clone-and-pull.yaml
    """
    commands = [(step, command) for step in run.steps for command in step.script.commands]
    if any(_completes(command) for _, command in commands) or any(step.unseen for step in run.steps):
        return
    for step, command in commands:
        texts = [word.text for word in command.arguments]
        path = _cloned(step, command) if command.name == "git" and "clone" in texts else None
        if path is not None and _skips_lfs(step, command) and _is_read(run, path):
            message = f"the clone has pointer files only, and the training reads {path}"
            help_ = "leave out GIT_LFS_SKIP_SMUDGE and --skip-smudge, or run git lfs pull in the clone"
            yield Finding(spot_of(step, command.words[0]), message, help_)


def _completes(command: Command) -> bool:
    """Whether a command may download the files that a clone has left out."""
    words = [word.text for word in command.arguments]
    pulls = command.name == "git-lfs" or (command.name == "git" and "lfs" in words and {"pull", "fetch"} & {*words})
    other = command.name in ("wget", "curl", "aria2c", "huggingface-cli", "hf", "modelscope", "cp", "mv", "rsync")
    return bool(pulls) or other


def _skips_lfs(step: Step, command: Command) -> bool:
    installs = [one for one in step.script.named("git") if one.start < command.start]
    if any(
        {"lfs", "install"} <= (words := {word.text for word in one.arguments}) and words & _NO_SMUDGE
        for one in installs
    ):
        return True
    own = [step.value(one.value) for one in command.settings if one.name == _SKIP and one.value is not None]
    value = own[-1] if own else step.values.get(_SKIP)
    return (value or "").lower() in _LFS_OFF


_SKIP = "GIT_LFS_SKIP_SMUDGE"


def _cloned(step: Step, command: Command) -> str | None:
    """The absolute directory of a clone, if it is known."""
    words = [word for word in command.arguments if not word.raw.startswith("-")]
    urls = [index for index, word in enumerate(words) if re.search(r"://|^git@", word.raw)]
    if not urls:
        return None
    named = words[urls[0] + 1] if urls[0] + 1 < len(words) else None
    url = (step.value(words[urls[0]]) or "").rstrip("/")
    path = resolved(step, named, command.start) if named is not None else None
    if named is None and url:
        path = join(directory_at(step, command.start), url.rpartition("/")[2].removesuffix(".git"))
    return path if path is not None and path.startswith("/") else None


def _is_read(run: Run, path: str) -> bool:
    """Whether a training reads a directory, or a part of it."""
    read = [str(config.value("model_name_or_path")) for config in of_trainer(run)]
    for step in run.steps:
        for command in step.trainings:
            values = [step.value(word) or "" for word in command.arguments]
            read += [join(directory_at(step, command.start), value.partition("=")[2] or value) for value in values]
    return any(one == path or one.startswith(f"{path}/") for one in read)


RULES = (
    Rule("FTC711", "lfs-files-not-pulled", lfs_files_are_pulled, Run),
    Rule("FTC875", "missing-file-in-training-config", training_config_files_exist, Run),
    Rule("FTC878", "missing-script-or-config", scripts_and_configs_exist, Run),
)
