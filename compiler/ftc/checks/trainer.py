"""Rules on LLaMA-Factory's arguments, templates and versions, from the schemas made of its own code."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.trainer import release, values
from ftc.trainer.arguments import OWNED, groups
from ftc.trainer.dataset_info import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec


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


def arguments_are_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory exist, and have values of their type.

    It stops at a key that it does not know, and checks neither types nor choices (HfArgumentParser.parse_dict): a wrong
    value fails far into the run.

    Wrong: train.learning_rat=1.0e-5
    Right: train.learning_rate=1.0e-5
    """
    pair = release.pair(spec.trainer)
    if not spec.trains or pair is None:
        return
    schema, missing = release.arguments(pair), _missing_tuning(spec, pair)
    others = [other.partition("+")[0] for other in release.pairs() if missing in _tuning_types(other)]
    if missing:
        message = f"llamafactory {spec.trainer.llamafactory} has no {missing}"
        help_ = f"llamafactory {others[0]} has it: set trainer.llamafactory and the image that holds it"
        yield Finding(("method", "finetuning_type"), message, help_, (("trainer", "llamafactory"),))
    elif spec.method is not None:
        named = {"stage": spec.method.stage, "finetuning_type": spec.method.finetuning_type}
        yield from _argument_findings(("method",), named, schema, "train")
    for command, maps in (("train", groups(spec)), ("export", _exports(spec))):
        for path, arguments in maps:
            judged = {k: v for k, v in arguments.items() if k not in OWNED and not (missing and k.startswith(missing))}
            yield from _argument_findings(path, judged, schema, command)


def _missing_tuning(spec: JobSpec, pair: str) -> str:
    """The tuning type, where the release is too old for it; its own arguments are then unknown too."""
    tuning = spec.method.finetuning_type if spec.method is not None else ""
    return "" if tuning in _tuning_types(pair) else tuning


def _tuning_types(pair: str) -> list[str]:
    known: list[str] = release.arguments(pair)["arguments"]["finetuning_type"]["enum"]
    return known


def _argument_findings(path: tuple[str, ...], arguments: Json, schema: Json, command: str) -> Iterator[Finding]:
    allowed = schema[command]
    version = f"llamafactory {schema['llamafactory']}"
    for name, value in arguments.items():
        if name not in allowed:
            message = f"is no argument of `llamafactory-cli {command}` in {version}"
            yield Finding((*path, name), message, did_you_mean(name, allowed) if len(name) > 1 else "", at_key=True)
        else:
            problem = values.problem(value, schema["arguments"][name])
            if problem:
                about = schema["arguments"][name]
                near = nearest(str(value), map(str, about.get("enum", ())))
                yield Finding((*path, name), problem, near or str(about.get("description", "")))


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


def template_is_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The template is one that LLaMA-Factory has.

    It says `Template … does not exist.` after it has loaded the tokenizer (data/template.py).

    Wrong: model.template=qwen33
    Right: model.template=qwen3
    """
    pair = release.known(spec.trainer.llamafactory)
    if spec.model is None or pair is None or not spec.trains:
        return
    templates = release.data(pair)["templates"]
    if spec.model.template not in templates:
        message = f"llamafactory {spec.trainer.llamafactory} has no template '{spec.model.template}'"
        help_ = did_you_mean(spec.model.template, templates)
        yield Finding(("model", "template"), message, help_, (("trainer", "llamafactory"),))


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


def dataset_is_described(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Each dataset that is trained on is described.

    Otherwise LLaMA-Factory says: Undefined dataset … in dataset_info.json (data/parser.py).

    Wrong: 'dataset.names=[alpacca]'
    Right: 'dataset.names=[alpaca]'
    """
    if spec.dataset is None or spec.dataset.info is None:
        return
    for name, entry in spec.dataset.info.items():
        for key in [key for key in PLACES if not isinstance(entry.get(key, ""), str)]:
            yield Finding(("dataset", "info", name, key), "must be a text", "name a place in the source")
    for name in [n for n in spec.dataset.names if n not in spec.dataset.info]:
        known = did_you_mean(name, spec.dataset.info)
        message = f"'{name}' is not described in dataset.info"
        yield Finding(("dataset", "names"), message, known, (("dataset", "info"),))


RULES = (
    Rule("FTC401", versions_fit),
    Rule("FTC402", versions_are_known, Severity.WARNING),
    Rule("FTC403", owned_by_ftc, needed=True),
    Rule("FTC404", arguments_are_known),
    Rule("FTC405", template_is_known),
    Rule("FTC406", dataset_is_described),
    Rule("FTC407", no_references),
    Rule("FTC408", model_is_known),
)
