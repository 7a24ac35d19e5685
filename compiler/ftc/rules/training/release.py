"""Rules on the versions of LLaMA-Factory and transformers, and on reserved arguments."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, dotted
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import SOURCES, JobSpec
from ftc.trainer import evaluation, release
from ftc.trainer.arguments import OWNED, groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def incompatible_trainer_versions(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory in the image supports the version of transformers.

    Otherwise LLaMA-Factory refuses to start.
    Source: LLaMA-Factory, extras/misc.py (check_dependencies).

    Wrong: trainer.llamafactory=0.9.3
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    pair = release.known(spec.trainer.llamafactory)
    if not spec.trains or pair is None:
        return
    accepted = release.arguments(pair)["transformers_range"]
    have = spec.trainer.transformers
    low, high = _version(accepted["min"]), _version(accepted["max"])
    if not low <= _version(have) <= high or any(fnmatchcase(have, bad) for bad in accepted["not"]):
        but = f", not {', '.join(accepted['not'])}" if accepted["not"] else ""
        span = f"{accepted['min']} to {accepted['max']}{but}"
        message = f"llamafactory {spec.trainer.llamafactory} refuses transformers {have}"
        yield Finding(("trainer", "transformers"), message, f"use {span}", (("trainer", "llamafactory"),))


def _version(text: str) -> tuple[int, ...]:
    digits = [part for part in text.replace("-", ".").replace("+", ".").split(".") if part.isdecimal()]
    return tuple(int(part) for part in digits[:3])


def unknown_trainer_version(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The arguments of the LLaMA-Factory release in the image are known to ftc.

    Arguments and templates differ between releases, so those of an unknown pair are not checked: a typo in `train` is
    found only when the trainer reads it.
    Source: ftc, schemas/llamafactory.

    Wrong: trainer.transformers=5.5.0
    Right: trainer.transformers=5.6.0
    """
    trainer = spec.trainer
    if not spec.trains or release.pair(trainer) is not None or any(incompatible_trainer_versions(spec, run)):
        return
    have = f"llamafactory {trainer.llamafactory} with transformers {trainer.transformers}"
    message = f"the arguments of {have} are unknown and not checked"
    known = ", ".join(pair.replace("+", " with transformers ") for pair in release.pairs())
    yield Finding(("trainer",), message, f"known: {known}")


def reserved_argument(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Arguments that ftc derives from other keys are not set directly.

    ftc writes these arguments itself. A second value would be lost, or would move the output to a directory that later
    steps do not read.
    Source: ftc, compiler/ftc/trainer/arguments.py.

    Wrong: train.output_dir=/workspace/out
    Right: storage.workspace.mount_path=/workspace
    """
    for path, arguments in (*groups(spec), *_later(spec)):
        owned = OWNED | (evaluation.OWNED if path == _EVALUATE else {})
        for name in sorted(owned.keys() & arguments.keys()):
            key = owned[name]
            if key == "evaluate":
                yield Finding((*path, name), "follows from evaluate", "leave it out", at_key=True)
                continue
            how = f": source@{key}=path {key}.path=…, or another source" if key in _SOURCES else ""
            yield Finding((*path, name), f"follows from {key}", f"set {key} instead{how}", at_key=True)


_SOURCES = tuple(map(dotted, SOURCES.values()))


_EVALUATE = ("evaluate",)


def _later(spec: JobSpec) -> Iterator[tuple[tuple[str, ...], Json]]:
    """The arguments of the steps after the training, each with their key path."""
    if spec.evaluate is not None:
        yield _EVALUATE, spec.evaluate
    method = spec.method
    if method is not None and method.merge is not None:
        yield ("method", "merge"), method.merge
    if method is not None and method.quantize is not None:
        yield ("method", "quantize", "arguments"), method.quantize.arguments


def no_references_in_arguments(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    r"""Arguments of LLaMA-Factory do not contain `${`.

    From 0.9.4 on LLaMA-Factory reads its YAML with OmegaConf, which takes `${` for the start of a reference and fails.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: 'train.run_name=\${USER}'
    Right: train.run_name=mine
    """
    for path, arguments in groups(spec):
        for name in [name for name, value in arguments.items() if "${" in json.dumps(value, default=str)]:
            yield Finding((*path, name), "contains ${, which LLaMA-Factory takes for a reference", "remove the ${")


def model_unsupported_by_transformers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The version of transformers in the image supports the model.

    An older version stops after the weights are downloaded: `The checkpoint you are trying to load has model type … but
    Transformers does not recognize this architecture`.
    Source: transformers, models/auto/configuration_auto.py.

    Wrong: model=glm-4-9b-0414 trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    Right: model=glm-4-9b-0414 trainer.llamafactory=0.9.5 trainer.transformers=5.6.0
    """
    model, have = spec.model, spec.trainer.transformers
    if model is None or model.transformers is None or not spec.trains:
        return
    if _version(have) < _version(model.transformers):
        message = f"transformers {have} does not support {model.id}"
        help_ = f"set trainer.transformers to {model.transformers} or later, and image to one that contains it"
        yield Finding(("trainer", "transformers"), message, help_, (("model", "transformers"),))


RULES = (
    Rule("FTC401", "incompatible-trainer-versions", incompatible_trainer_versions, JobSpec),
    Rule("FTC402", "unknown-trainer-version", unknown_trainer_version, JobSpec, Severity.WARNING),
    Rule("FTC403", "reserved-argument", reserved_argument, JobSpec, needed=True),
    Rule("FTC407", "no-references-in-arguments", no_references_in_arguments, JobSpec),
    Rule("FTC408", "model-unsupported-by-transformers", model_unsupported_by_transformers, JobSpec),
)
