"""Rules on the versions of LLaMA-Factory and transformers, and on arguments that ftc derives."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer import release
from ftc.trainer.arguments import OWNED, groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def versions_fit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image's transformers is one that its LLaMA-Factory takes.

    LLaMA-Factory refuses to start with another (extras/misc.py, check_dependencies).

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
        yield Finding(("trainer", "transformers"), message, f"it takes {span}", (("trainer", "llamafactory"),))


def _version(text: str) -> tuple[int, ...]:
    digits = [part for part in text.replace("-", ".").replace("+", ".").split(".") if part.isdecimal()]
    return tuple(int(part) for part in digits[:3])


def versions_are_known(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The arguments of the image's LLaMA-Factory are known here.

    Arguments and templates differ between releases, so those of an unknown pair go unchecked: a typo in `train` costs
    the time until the trainer reads it.

    Wrong: trainer.transformers=5.5.0
    Right: trainer.transformers=5.6.0
    """
    trainer = spec.trainer
    if not spec.trains or release.pair(trainer) is not None or any(versions_fit(spec, run)):
        return
    have = f"llamafactory {trainer.llamafactory} with transformers {trainer.transformers}"
    message = f"the arguments of {have} are not known here and go unchecked"
    known = ", ".join(pair.replace("+", " with transformers ") for pair in release.pairs())
    yield Finding(("trainer",), message, f"known: {known}")


def owned_by_ftc(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What ftc derives from other keys is not set beside them.

    ftc writes these arguments itself; a second value would be lost, or would send the output where no later step looks.

    Wrong: train.output_dir=/workspace/out
    Right: storage.workspace.mount_path=/workspace
    """
    for path, arguments in (*groups(spec), *_exports(spec)):
        for name in sorted(OWNED.keys() & arguments.keys()):
            message, help_ = f"follows from {OWNED[name]}", f"set {OWNED[name]} instead"
            yield Finding((*path, name), message, help_, at_key=True)


def _exports(spec: JobSpec) -> Iterator[tuple[tuple[str, ...], Json]]:
    """The maps of arguments of the exports, each with its key path."""
    method = spec.method
    if method is not None and method.merge is not None:
        yield ("method", "merge"), method.merge
    if method is not None and method.quantize is not None:
        yield ("method", "quantize", "arguments"), method.quantize.arguments


def no_references(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    r"""Arguments of LLaMA-Factory hold no `${`.

    From 0.9.4 on it reads its YAML with OmegaConf, which takes `${` for the start of a reference and fails.

    Wrong: 'train.run_name=\${USER}'
    Right: train.run_name=mine
    """
    for path, arguments in groups(spec):
        for name in [name for name, value in arguments.items() if "${" in json.dumps(value, default=str)]:
            yield Finding(
                (*path, name), "has ${ in it, which LLaMA-Factory takes for a reference", "write it otherwise"
            )


def model_is_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image's transformers has the code of the model.

    An older one says, with the weights already downloaded: `The checkpoint you are trying to load has model type … but
    Transformers does not recognize this architecture` (models/auto/configuration_auto.py).

    Wrong: model=glm-4-9b-0414 trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    Right: model=glm-4-9b-0414 trainer.llamafactory=0.9.5 trainer.transformers=5.6.0
    """
    model, have = spec.model, spec.trainer.transformers
    if model is None or model.transformers is None or not spec.trains:
        return
    if _version(have) < _version(model.transformers):
        message = f"transformers {have} does not know {model.id}"
        help_ = f"it is there from {model.transformers} on: set trainer.transformers and the image that holds it"
        yield Finding(("trainer", "transformers"), message, help_, (("model", "transformers"),))


RULES = (
    Rule("FTC401", "incompatible-trainer-versions", versions_fit, JobSpec),
    Rule("FTC402", "unknown-trainer-version", versions_are_known, JobSpec, Severity.WARNING),
    Rule("FTC403", "reserved-argument", owned_by_ftc, JobSpec, needed=True),
    Rule("FTC407", "no-references-in-arguments", no_references, JobSpec),
    Rule("FTC408", "model-unsupported-by-transformers", model_is_known, JobSpec),
)
