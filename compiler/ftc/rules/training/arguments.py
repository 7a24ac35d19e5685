"""Rules on the arguments of LLaMA-Factory: they exist, and have values of the right type and range."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.manifests.configs import Config, release_of
from ftc.manifests.steps import Step
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Arguments, Export, Training
from ftc.trainer import release, values
from ftc.trainer.values import OF_LORA, RANGES, REPORTERS, Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.launch import Launch
    from ftc.manifests.shell.script import Word
    from ftc.spec.base import Json

_RELEASE = (("llamafactory",),)


def arguments_are_known(run: Arguments) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory exist, and their values have the right type.

    It stops at a key that it does not know, and checks neither types nor choices (HfArgumentParser.parse_dict): a wrong
    value fails far into the run.

    Wrong: train.learning_rat=1.0e-5
    Right: train.learning_rate=1.0e-5
    """
    missing = _missing_tuning(run)
    if missing:
        others = [pair for pair in release.pairs() if missing in _tunings(pair)]
        help_ = f"{release.in_words(others[0])} has it: use an image with that release"
        yield Finding(("finetuning_type",), f"llamafactory {run.release} has no {missing}", help_, _RELEASE)
    names = [name for name in run.given.written() if not (missing and name.startswith((missing, "finetuning_type")))]
    allowed = release.arguments(run.pair)[run.takes]
    for name in names:
        if name not in allowed:
            yield from _unknown(run, name, allowed)
        elif run.given.tells(name):
            yield from _wrong(run, name, run.given[name])


def _missing_tuning(run: Arguments) -> str:
    """The tuning type that only another release has; its own arguments are then unknown too."""
    tuning = run.value("finetuning_type") if run.given.tells("finetuning_type") else ""
    elsewhere = any(tuning in _tunings(pair) for pair in release.pairs())
    return str(tuning) if elsewhere and tuning not in _tunings(run.pair) else ""


def _tunings(pair: str) -> list[str]:
    known: list[str] = release.arguments(pair)["arguments"]["finetuning_type"]["enum"]
    return known


def _unknown(run: Arguments, name: str, allowed: list[str]) -> Iterator[Finding]:
    if run.variable("ALLOW_EXTRA_ARGS") or (run.assumed and name in _of_other_releases(run)):
        return
    message = f"is not an argument of `llamafactory-cli {run.command}` in {release.in_words(run.pair)}"
    help_ = did_you_mean(name, allowed) if len(name) > 1 else ""
    yield Finding((name,), message, help_, at_key=True, severity=_severity(run, name, allowed))


def _of_other_releases(run: Arguments) -> set[str]:
    listed = {name for pair in release.pairs() for name in release.arguments(pair)[run.takes]}
    return listed | set(run.facts.retired_arguments)


def _severity(run: Arguments, word: str, known: Iterable[str]) -> Severity | None:
    """A word that is not much like another may be of a later release, unless it is known which release runs."""
    return Severity.WARNING if run.assumed and not get_close_matches(word, known, n=1, cutoff=_MUCH_LIKE) else None


_MUCH_LIKE = 0.85


def _wrong(run: Arguments, name: str, value: Any) -> Iterator[Finding]:
    about, problem = run.schema(name), values.problem(value, run.schema(name))
    if problem and not (run.assumed and _is_of_another_release(name, value)):
        near, choices = _meant(value, about), [str(choice) for choice in about.get("enum", ())]
        severity = _severity(run, value, choices) if isinstance(value, str) and choices else None
        release_ = f" in {release.in_words(run.pair)}" if choices else ""
        yield Finding((name,), f"{problem}{release_}", near or str(about.get("description", "")), severity=severity)
    if name == "report_to":
        for one in run.listed(name):
            near = nearest(one, REPORTERS) if one not in REPORTERS else ""
            if near:
                yield Finding((name,), f"transformers does not report to '{one}'", near)


def _is_of_another_release(name: str, value: Any) -> bool:
    known = [release.arguments(pair)["arguments"] for pair in release.pairs()]
    return any(name in one and not values.problem(value, one[name]) for one in known)


def _meant(value: Any, about: Json) -> str:
    choices = [str(choice) for choice in about.get("enum", ())]
    if value is False and "no" in choices:
        return 'YAML reads no and off as false: quote it, "no"'
    return nearest(str(value), choices)


def commands_have_what_they_need(run: Arguments) -> Iterator[Finding]:
    """A file names the model, and the data of its command.

    LLaMA-Factory stops at once: `Please provide model_name_or_path`, `Please specify dataset for training`,
    `Quantization dataset is necessary for exporting`.
    Source: LLaMA-Factory, hparams/parser.py and model_args.py.

    Wrong: tests/corpus/bad/FTC901-no-data.yaml
    Right: tests/corpus/good/FTC901-model-and-data.yaml
    """
    needed = [("model_name_or_path", "export_dir" if isinstance(run, Export) else "do_train", "there is no model")]
    if isinstance(run, Training) and run.on("do_train"):
        needed.append(("dataset", "do_train", "there is nothing to train on"))
    if isinstance(run, Export) and run.value("export_quantization_bit") is not None:
        needed.append(("export_quantization_dataset", "export_quantization_bit", "there is nothing to calibrate with"))
    for name, asked_by, message in needed:
        if run.value(name) in (None, ""):
            yield Finding((asked_by,), f"{message}: {name} is missing", {name: ANY})


def template_is_known(run: Arguments) -> Iterator[Finding]:
    """The template is one that LLaMA-Factory has.

    It says `Template … does not exist.` after it has loaded the tokenizer (data/template.py).

    Wrong: model.template=qwen33
    Right: model.template=qwen3
    """
    name = run.value("template") if run.gives("template") else None
    if not isinstance(name, str) or name in run.data["templates"]:
        return
    if run.assumed and any(name in release.data(pair)["templates"] for pair in release.pairs()):
        return
    severity = _severity(run, name, run.data["templates"])
    message = f"llamafactory {run.release} has no template '{name}'"
    yield Finding(("template",), message, did_you_mean(name, run.data["templates"]), _RELEASE, severity=severity)


def loader_has_workers(run: Training) -> Iterator[Finding]:
    """Options of data loader workers are set only if there are workers.

    transformers refuses a prefetch factor without workers at once (training_args.py); PyTorch refuses workers that stay
    when the training begins: `persistent_workers option needs num_workers > 0`.

    Wrong: train.dataloader_persistent_workers=true
    Right: train.dataloader_persistent_workers=true train.dataloader_num_workers=4
    """
    if run.value("dataloader_num_workers") != 0:
        return
    given = [] if run.value("dataloader_prefetch_factor") is None else ["dataloader_prefetch_factor"]
    given += ["dataloader_persistent_workers"] if run.on("dataloader_persistent_workers") else []
    for name in given:
        yield Finding(
            (name,), "needs data loader workers, but dataloader_num_workers is 0", {"dataloader_num_workers": 4}
        )


def numbers_are_in_range(run: Training) -> Iterator[Finding]:
    """Numbers are in the range that a training accepts.

    LLaMA-Factory takes any number of the right type, and fails where it is used: a batch size of 0 in the data loader,
    a negative learning rate in the optimizer, 0 samples as a `StopIteration`.

    Wrong: train.max_samples=0
    Right: train.max_samples=1000
    """
    ranges = RANGES | (OF_LORA if run.tuning == "lora" else {})
    if not run.facts.warmup_ratio_replaces_steps:
        ranges["warmup_ratio"] = Range(0, 1)
    for name, value in run.known(ranges):
        if not ranges[name].takes(value):
            yield Finding((name,), f"{value} is out of range", f"give {ranges[name].text}")
    if run.tuning == "freeze" and run.value("freeze_trainable_layers") == 0:
        yield Finding(("freeze_trainable_layers",), "0 layers leave nothing to train", {"freeze_trainable_layers": 2})


def training_trains(run: Training) -> Iterator[Finding]:
    """A training has steps, and a learning rate above 0.

    With no epochs or a learning rate of 0 it ends as if all were well, with the model as it was.

    Wrong: train.num_train_epochs=0.0
    Right: train.num_train_epochs=0.5
    """
    if (
        run.number("max_steps") <= 0
        and run.value("num_train_epochs") is not None
        and run.number("num_train_epochs") <= 0
    ):
        yield Finding(
            ("num_train_epochs",), "leaves no steps to train", ({"num_train_epochs": 1.0}, {"max_steps": ANY})
        )
    if run.value("learning_rate") == 0:
        yield Finding(("learning_rate",), "0 trains nothing", "set 1.0e-4 for LoRA, 1.0e-5 for all weights")


def sequences_fit_the_model(run: Training) -> Iterator[Finding]:
    """Sequences are not longer than the context of the model.

    Positions beyond `max_position_embeddings` were never trained: the run goes on, and the model learns little from
    the rest. `rope_scaling` stretches the positions.

    Wrong: model=qwen3-8b train.cutoff_len=65536
    Right: model=qwen3-8b train.cutoff_len=65536 train.rope_scaling=yarn
    """
    length, most = run.number("cutoff_len"), run.context
    if length <= most or run.value("rope_scaling") is not None:
        return
    message = f"is {length:.0f}, but the context of the model has {most} tokens"
    help_ = ({"cutoff_len": most}, {"rope_scaling": "yarn"})
    yield Finding(("cutoff_len",), message, help_, (("max_position_embeddings",),))


# Rules on a file as a text, and on a command line.


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


OF_FILES = (Rule("FTC901", "missing-model-or-dataset", commands_have_what_they_need, Arguments),)
RULES = (
    Rule("FTC404", "unknown-argument", arguments_are_known, Arguments),
    Rule("FTC405", "unknown-template", template_is_known, Arguments),
    Rule("FTC464", "worker-option-needs-workers", loader_has_workers, Training),
    Rule("FTC465", "argument-out-of-range", numbers_are_in_range, Training),
    Rule("FTC466", "training-without-steps", training_trains, Training, Severity.WARNING),
    Rule("FTC473", "sequence-exceeds-model-context", sequences_fit_the_model, Training, Severity.WARNING),
    Rule("FTC880", "malformed-training-config", configs_are_yaml, Config),
    Rule("FTC881", "unknown-trainer-option", flags_are_known, Step),
)
