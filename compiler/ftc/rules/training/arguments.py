"""Rules on the arguments of a call: they exist, have values of their type, and name what the command needs."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Arguments, Export, Training
from ftc.trainer import release, values
from ftc.trainer.ranges import REPORTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


RULES = (
    Rule("FTC404", arguments_are_known, Arguments),
    Rule("FTC405", template_is_known, Arguments),
)
OF_FILES = (Rule("FTC901", commands_have_what_they_need, Arguments),)
