"""Rules on the YAML of LLaMA-Factory as a text, and on its arguments on a command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import nearest
from ftc.lint.configs import Config, release_of
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.launch import Launch
    from ftc.lint.shell.script import Word


def configs_are_yaml(config: Config) -> Iterator[Finding]:
    """The trainer's YAML is YAML.

    LLaMA-Factory from 0.9.4 on reads it with OmegaConf, which takes no key twice.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: tests/corpus/bad/FTC880-key-twice.yaml
    Right: tests/corpus/good/FTC880-keys-once.yaml
    """
    for problem in config.problems:
        if config.text is not None and problem.position is not None:
            yield Finding(
                config.text.at_line(problem.position.line, problem.position.column), problem.message, problem.help
            )


def flags_are_known(step: Step) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory on a command line are ones that it knows.

    It stops at once: Some keys are not used by the HfArgumentParser.
    Source: LLaMA-Factory, hparams/parser.py (read_args); schemas made of its own code.

    Wrong: tests/corpus/bad/FTC881-flag-misspelt.yaml
    Right: tests/corpus/good/FTC881-flags.yaml
    """
    known = _known(step)
    for launch in step.launches:
        words = list(launch.rest)
        for word in words[1:] if _is_ours(step, launch) else ():
            name = _flag(word)
            if name and name not in known and step.program is not None:
                message = f"'{name}' is not an argument of LLaMA-Factory's train"
                yield Finding(step.program.at(word.start), message, nearest(name, known))


def _known(step: Step) -> set[str]:
    """What `train` takes in the release that runs, or in any if nothing says which one that is."""
    asked = step.pod.job.object.versions.trainer
    said = release.pair(asked) if asked is not None else release.known(release_of(step))
    pairs = [said] if said is not None else release.pairs()
    retired = {name for pair in release.pairs() for name in release.facts(pair).retired_arguments}
    return {name for pair in pairs for name in release.arguments(pair)["train"]} | (set() if said else retired)


# One of these is enough: no other program has them.
_ITS_FLAGS = ("finetuning_type", "dataset_dir", "cutoff_len", "lora_target", "template", "do_train")


def _is_ours(step: Step, launch: Launch) -> bool:
    """Whether LLaMA-Factory is started; many projects have a src/train.py."""
    texts = [word.text or "" for word in launch.rest[:3]]
    if launch.tool == "llamafactory" or "llamafactory.launcher" in texts:
        return True
    flags = {_flag(word) for word in launch.rest}
    about = f"{step.container.image} {step.script.value}"
    named = re.search("llama-?_?factory", about, re.IGNORECASE) is not None or bool(flags & set(_ITS_FLAGS))
    return named and any(text.endswith("src/train.py") for text in texts)


def _flag(word: Word) -> str:
    """The name in `--name`, `--name=value` and `name=value`."""
    found = re.match(r"(?:--)?([a-z][a-z0-9_]{2,})(=|$)", word.literal)
    return found[1] if found and (word.literal.startswith("--") or found[2]) else ""


RULES = (
    Rule("FTC880", configs_are_yaml, Config),
    Rule("FTC881", flags_are_known, Step),
)
