"""Rules on the arguments of LLaMA-Factory: their names, types and ranges."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Severity, and_others, did_you_mean, first_keys, nearest
from ftc.manifests.configs import Config, release_of
from ftc.manifests.steps import Step
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Arguments, Export, Training
from ftc.spec.schema import habits
from ftc.trainer import release, values
from ftc.trainer.values import LORA_RANGES, RANGES, REPORTERS, Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.launch import Launch
    from ftc.manifests.shell.script import Word
    from ftc.spec.base import Json

_RELEASE = (("llamafactory",),)


def invalid_argument(run: Arguments) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory exist, and their values have the right type.

    LLaMA-Factory stops at an unknown key, but checks neither types nor choices: a wrong value fails late in the run.
    Source: transformers, hf_argparser.py (HfArgumentParser.parse_dict).

    Wrong: train.learning_rat=1.0e-5
    Right: train.learning_rate=1.0e-5
    """
    missing = _missing_tuning(run)
    if missing:
        newest = [pair for pair in release.pairs() if missing in _tuning_types(pair)][-1]
        other = release.known(newest.partition("+")[0]) or newest
        help_ = f"use an image with {release.in_words(other)}"
        yield Finding(("finetuning_type",), f"{missing} does not exist in llamafactory {run.release}", help_, _RELEASE)
    names = [name for name in run.given.written() if not (missing and name.startswith((missing, "finetuning_type")))]
    allowed = release.arguments(run.pair)[run.takes]
    yield from _unknown(run, [name for name in names if name not in allowed], allowed)
    for name in names:
        if name in allowed and run.given.tells(name):
            yield from _invalid(run, name, run.given[name])


def _missing_tuning(run: Arguments) -> str:
    """The tuning type if only another release has it; its own arguments are then unknown too."""
    tuning = run.value("finetuning_type") if run.given.tells("finetuning_type") else ""
    elsewhere = any(tuning in _tuning_types(pair) for pair in release.pairs())
    return str(tuning) if elsewhere and tuning not in _tuning_types(run.pair) else ""


def _tuning_types(pair: str) -> list[str]:
    known: list[str] = release.arguments(pair)["arguments"]["finetuning_type"]["enum"]
    return known


def _unknown(run: Arguments, names: list[str], allowed: list[str]) -> Iterator[Finding]:
    if not names or run.variable("ALLOW_EXTRA_ARGS"):
        return
    elsewhere = _of_other_releases(run) if run.assumed else set()
    reported, others = first_keys(name for name in names if name not in elsewhere)
    message = f"is not an argument of `llamafactory-cli {run.command}` in {release.in_words(run.pair)}"
    for name in reported:
        meant = habits().get(name, "").removeprefix("train.")
        help_ = f"did you mean '{meant}'?" if meant in allowed else did_you_mean(name, allowed) if len(name) > 1 else ""
        other = run.any_transformers and name in _of_other_releases(run)
        severity = Severity.WARNING if other else _severity(run, name, allowed)
        yield Finding((name,), message, help_, at_key=True, severity=severity)
    if others:
        severity = Severity.WARNING if run.assumed else None
        yield Finding((others[0],), and_others(others), at_key=True, severity=severity)


def _of_other_releases(run: Arguments) -> set[str]:
    return {name for pair in release.pairs() for name in release.arguments(pair)[run.takes]}


def _severity(run: Arguments, word: str, known: Iterable[str]) -> Severity | None:
    """A word that is not close to a known one may belong to a later release, unless the release is known."""
    return Severity.WARNING if run.assumed and not get_close_matches(word, known, n=1, cutoff=_MUCH_LIKE) else None


_MUCH_LIKE = 0.85


def _invalid(run: Arguments, name: str, value: Any) -> Iterator[Finding]:
    about, problem = run.schema(name), values.problem(value, run.schema(name))
    if problem and not (run.assumed and _is_of_another_release(name, value)):
        near, choices = _correction(value, about), [str(choice) for choice in about.get("enum", ())]
        severity = _severity(run, value, choices) if isinstance(value, str) and choices else None
        release_ = f" in {release.in_words(run.pair)}" if choices else ""
        yield Finding((name,), f"{problem}{release_}", near or str(about.get("description", "")), severity=severity)
    if name == "report_to":
        for one in run.listed(name):
            near = nearest(one, REPORTERS) if one not in REPORTERS else ""
            if near:
                yield Finding((name,), f"transformers cannot report to '{one}'", near)


def _is_of_another_release(name: str, value: Any) -> bool:
    known = [release.arguments(pair)["arguments"] for pair in release.pairs()]
    return any(name in one and not values.problem(value, one[name]) for one in known)


def _correction(value: Any, about: Json) -> str:
    choices = [str(choice) for choice in about.get("enum", ())]
    if value is False and "no" in choices:
        return 'YAML reads no and off as false: quote it, "no"'
    return nearest(str(value), choices)


def missing_model_or_dataset(run: Arguments) -> Iterator[Finding]:
    """A file names the model, and the data that its command needs.

    LLaMA-Factory stops at once: `Please provide model_name_or_path`, `Please specify dataset for training`,
    `Quantization dataset is necessary for exporting`.
    Source: LLaMA-Factory, hparams/parser.py and model_args.py.

    Wrong: tests/corpus/bad/FTC901-no-data.yaml
    Right: tests/corpus/good/FTC901-model-and-data.yaml
    """
    needed = [("model_name_or_path", "export_dir" if isinstance(run, Export) else "do_train", "the model is unknown")]
    if isinstance(run, Training) and run.on("do_train"):
        needed.append(("dataset", "do_train", "the training data is unknown"))
    if isinstance(run, Export) and run.value("export_quantization_bit") is not None:
        needed.append(("export_quantization_dataset", "export_quantization_bit", "the calibration data is unknown"))
    for name, asked_by, message in needed:
        if run.value(name) in (None, ""):
            yield Finding((asked_by,), f"{message}: {name} is missing", {name: ANY})


def unknown_template(run: Arguments) -> Iterator[Finding]:
    """The template exists in the release of LLaMA-Factory.

    Otherwise LLaMA-Factory says `Template … does not exist.` after it has loaded the tokenizer.
    Source: LLaMA-Factory, data/template.py.

    Wrong: model.template=qwen33
    Right: model.template=qwen3
    """
    name = run.value("template") if run.gives("template") else None
    if not isinstance(name, str) or name in run.data["templates"]:
        return
    if run.assumed and any(name in release.data(pair)["templates"] for pair in release.pairs()):
        return
    severity = _severity(run, name, run.data["templates"])
    message = f"template '{name}' does not exist in llamafactory {run.release}"
    yield Finding(("template",), message, did_you_mean(name, run.data["templates"]), _RELEASE, severity=severity)


def worker_option_needs_workers(run: Training) -> Iterator[Finding]:
    """Options of data loader workers are set only if there are workers.

    transformers refuses a prefetch factor without workers at once; PyTorch refuses persistent workers when the training
    begins: `persistent_workers option needs num_workers > 0`.
    Source: transformers, training_args.py; PyTorch, torch/utils/data/dataloader.py.

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


def argument_out_of_range(run: Training) -> Iterator[Finding]:
    """Numbers are in the range that a training accepts.

    LLaMA-Factory accepts any number of the right type and fails when it uses it: a batch size of 0 in the data loader,
    a negative learning rate in the optimizer, 0 samples with `StopIteration`.
    Source: measured with LLaMA-Factory 0.9.3 and 0.9.5.

    Wrong: train.max_samples=0
    Right: train.max_samples=1000
    """
    ranges = RANGES | (LORA_RANGES if run.tuning == "lora" else {})
    if not run.facts.warmup_ratio_replaces_steps:
        ranges["warmup_ratio"] = Range(0, 1)
    for name, value in run.known(ranges):
        if not ranges[name].takes(value):
            yield Finding((name,), f"{value} is out of range", f"use {ranges[name].text}")
    if run.tuning == "freeze" and run.value("freeze_trainable_layers") == 0:
        yield Finding(
            ("freeze_trainable_layers",), "0 layers leave no weights to train", {"freeze_trainable_layers": 2}
        )


def training_without_steps(run: Training) -> Iterator[Finding]:
    """A training has steps and a learning rate above 0.

    With 0 epochs or a learning rate of 0 it ends successfully, but the model is unchanged.
    Source: transformers, trainer.py.

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


def sequence_exceeds_model_context(run: Training) -> Iterator[Finding]:
    """Sequences are not longer than the context of the model.

    Positions beyond `max_position_embeddings` were never trained: the run continues, but the model learns little from
    them. `rope_scaling` extends the range of positions.
    Source: the config.json of the model (max_position_embeddings).

    Wrong: model=qwen3-8b train.cutoff_len=65536
    Right: model=qwen3-8b train.cutoff_len=65536 train.rope_scaling=yarn
    """
    length, most = run.number("cutoff_len"), run.context
    if length <= most or run.value("rope_scaling") is not None:
        return
    message = f"is {length:.0f}, but the context of the model has {most} tokens"
    help_ = ({"cutoff_len": most}, {"rope_scaling": "yarn"})
    yield Finding(("cutoff_len",), message, help_, (("max_position_embeddings",),))


# Rules on the text of a file, and on a command line.


def malformed_training_config(config: Config) -> Iterator[Finding]:
    """The training file is valid YAML.

    LLaMA-Factory from 0.9.4 on reads it with OmegaConf, which refuses duplicate keys.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: tests/corpus/bad/FTC880-key-twice.yaml
    Right: tests/corpus/good/FTC880-keys-once.yaml
    """
    for problem in config.problems:
        if config.text is not None and problem.position is not None:
            yield Finding(
                config.text.at_line(problem.position.line, problem.position.column), problem.message, problem.help
            )


def unknown_trainer_option(step: Step) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory on a command line exist.

    LLaMA-Factory stops at once: `Some keys are not used by the HfArgumentParser`.
    Source: LLaMA-Factory, hparams/parser.py (read_args); schemas generated from its code.

    Wrong: tests/corpus/bad/FTC881-flag-misspelt.yaml
    Right: tests/corpus/good/FTC881-flags.yaml
    """
    for launch in step.launches:
        words = list(launch.rest)
        known = _accepted(step) if _is_trainer(step, launch) else frozenset()
        for word in words[1:] if known else ():
            name = _flag(word)
            if name and name not in known and step.program is not None:
                message = f"'{name}' is not an argument of `llamafactory-cli train`"
                yield Finding(step.program.at(word.start), message, nearest(name, known))


def _accepted(step: Step) -> frozenset[str]:
    """The arguments of `train` in the release that runs, or in any release if it is unknown."""
    requested = step.pod.job.object.versions.trainer
    named = requested.llamafactory if requested is not None else release_of(step)
    pair = (release.pair(requested) if requested is not None else None) or release.known(named)
    return _of_train(pair)


@cache
def _of_train(pair: str | None) -> frozenset[str]:
    pairs = [pair] if pair is not None else release.pairs()
    return frozenset(name for pair in pairs for name in release.arguments(pair)["train"])


# One of these identifies LLaMA-Factory: other programs do not use them.
_TRAINER_OPTIONS = ("finetuning_type", "dataset_dir", "cutoff_len", "lora_target", "template", "do_train")


def _is_trainer(step: Step, launch: Launch) -> bool:
    """Whether the command starts LLaMA-Factory; many projects have a src/train.py."""
    texts = [word.text or "" for word in launch.rest[:3]]
    if launch.tool == "llamafactory" or "llamafactory.launcher" in texts:
        return True
    flags = {_flag(word) for word in launch.rest}
    text = f"{step.container.image} {step.script.value}"
    named = re.search("llama-?_?factory", text, re.IGNORECASE) is not None or bool(flags & set(_TRAINER_OPTIONS))
    return named and any(text.endswith("src/train.py") for text in texts)


def _flag(word: Word) -> str:
    """The name in `--name`, `--name=value` and `name=value`."""
    found = re.match(r"(?:--)?([a-z][a-z0-9_]{2,})(=|$)", word.literal)
    return found[1] if found and (word.literal.startswith("--") or found[2]) else ""


OF_FILES = (Rule("FTC901", "missing-model-or-dataset", missing_model_or_dataset, Arguments),)
RULES = (
    Rule("FTC404", "invalid-argument", invalid_argument, Arguments),
    Rule("FTC405", "unknown-template", unknown_template, Arguments),
    Rule("FTC464", "worker-option-needs-workers", worker_option_needs_workers, Training),
    Rule("FTC465", "argument-out-of-range", argument_out_of_range, Training),
    Rule("FTC466", "training-without-steps", training_without_steps, Training, Severity.WARNING),
    Rule("FTC473", "sequence-exceeds-model-context", sequence_exceeds_model_context, Training, Severity.WARNING),
    Rule("FTC880", "malformed-training-config", malformed_training_config, Config),
    Rule("FTC881", "unknown-trainer-option", unknown_trainer_option, Step),
)
