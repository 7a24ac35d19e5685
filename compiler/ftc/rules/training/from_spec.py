"""The training subjects of a spec, and places and remedies in terms of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.rules.rule import ANY
from ftc.rules.training.engines import DeepSpeedFile
from ftc.rules.training.subject import Arguments, Evaluation, Export, Training
from ftc.source.unknown import Fields, fields
from ftc.spec.job import source_path
from ftc.spec.method import DeepSpeed, Fsdp, Torchrun
from ftc.spec.model import names
from ftc.trainer import engines
from ftc.trainer.arguments import OUTPUT, OWNED, chosen, described, evaluation, groups, seeks_unused_parameters, set_at
from ftc.trainer.evaluation import OWNED as OF_EVALUATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec, Tuned
    from ftc.spec.model import Dataset

# The keys of the spec that set arguments of LLaMA-Factory.
_PLACES: dict[str, KeyPath] = {
    **{name: tuple(path.split(".")) for name, path in OWNED.items()},
    "model_name_or_path": ("model", "id"),
    "dataset_info": ("dataset", "info"),
    "max_position_embeddings": ("model", "architecture", "context_length"),
    "restarts": ("restarts",),
    "shipped_dataset": ("dataset",),
    "accelerate": ("engine",),
    "llamafactory": ("trainer", "llamafactory"),
    "hardware": ("hardware",),
}


_OF_ENGINE: dict[KeyPath, KeyPath] = {
    ("accelerate", "fsdp_config", "fsdp_version"): ("engine", "version"),
    ("deepspeed", "zero_optimization", "stage"): ("engine", "stage"),
    ("deepspeed", "zero_optimization", "offload_optimizer"): ("engine", "offload"),
}


def subjects(spec: JobSpec) -> Iterator[Arguments | DeepSpeedFile]:
    """The training and what follows it, and the DeepSpeed file; empty for a command or if a group is missing."""
    tuned = spec.tuned
    if not spec.trains or tuned is None:
        return
    yield _training(spec, tuned)
    if isinstance(spec.engine, DeepSpeed):
        yield DeepSpeedFile(_given(spec.engine.config))
    method = tuned.method
    if method.merge is not None:
        yield _export(spec, {"adapter_name_or_path": OUTPUT, **method.merge})
    if method.quantize is not None:
        bits = {"export_quantization_bit": method.quantize.bits, "export_quantization_dataset": ANY}
        yield _export(spec, {**bits, **method.quantize.arguments})
    if spec.evaluate is not None:
        own = {name: value for name, value in spec.evaluate.items() if name not in OWNED | OF_EVALUATIONS}
        yield Evaluation(given=_given({"model_name_or_path": ANY, **own}), own=tuple(own), versions=spec.trainer)


def _training(spec: JobSpec, tuned: Tuned) -> Training:
    model, dataset, method = tuned
    engine = spec.engine
    zero = _given(engines.deepspeed_config(engine)) if isinstance(engine, DeepSpeed) else None
    given = {name: value for name, value in chosen(spec).items() if name not in OWNED} | {
        "model_name_or_path": model.id,
        "template": model.template,
        "stage": method.stage,
        "do_train": True,
        "finetuning_type": method.finetuning_type,
        "dataset": list(names(dataset.trained)),
        **evaluation(spec, dataset),
        "report_to": list(spec.tracking.names),
        "use_swanlab": spec.tracking.swanlab is not None,
        **({"deepspeed": zero} if zero is not None else {}),
        **({"adapter_name_or_path": ANY} if method.adapter is not None else {}),
    }
    if seeks_unused_parameters(spec):
        given.setdefault("use_reentrant_gc", False)
    several = spec.processes > 1
    precisions = {"bf16": spec.hardware.bf16, "fp16": spec.hardware.fp16}
    return Training(
        given=_given(given),
        own=tuple(spec.train),
        versions=spec.trainer,
        environment=_environment(spec),
        dataset_info=_descriptions(dataset, method.stage),
        deepspeed=zero,
        fsdp=engine.version if isinstance(engine, Fsdp) else 0,
        processes=spec.processes,
        nodes=spec.nodes,
        process_group=several or (isinstance(spec.launcher, Torchrun) and spec.hardware.device is not None),
        restarts=spec.restarts,
        recreated=spec.restarts > 0,
        new_directory=True,
        model=model.id,
        context_length=model.architecture.context_length if model.architecture else None,
        ray=_environment(spec).get("USE_RAY", "").lower() in ("1", "true", "y"),
        unsupported={name: "the hardware" for name, has in precisions.items() if has is False},
    )


def _descriptions(dataset: Dataset, stage: str) -> Fields | None:
    """The descriptions of all datasets, in which those of a source's own file are unknown; None if all are."""
    parts = dataset.parts.values()
    if all(one.info is None for one in parts):
        return None
    unknown = {name: _UNKNOWN for one in parts if one.info is None for name in one.used}
    known = {name: entry for one in parts for name, entry in described(one.info or {}, stage).items()}
    return fields({**unknown, **known}, lambda text: text == _UNKNOWN)


_UNKNOWN = "\0"


def _export(spec: JobSpec, given: Json) -> Export:
    kept = {name: value for name, value in given.items() if name not in OWNED or name == "adapter_name_or_path"}
    merged = spec.model.id if spec.model is not None and "adapter_name_or_path" in given else ANY
    named = {"model_name_or_path": merged, "export_dir": ANY}
    return Export(given=_given({**named, **kept}), own=tuple(kept), versions=spec.trainer)


def _environment(spec: JobSpec) -> Fields:
    return _given({**spec.cluster.env, **spec.hardware.env, **spec.network.env, **spec.env})


def _given(data: Json) -> Fields:
    """Fields without unknown values: a spec has all of its values."""
    return fields(data, lambda _: False)


# The subjects that are one map of the spec.
_MAPS: dict[type, KeyPath] = {DeepSpeedFile: ("engine", "config"), Evaluation: ("evaluate",)}


def place(spec: JobSpec, subject: Arguments | DeepSpeedFile, where: KeyPath) -> KeyPath:
    """The key of the spec that sets a place of the subject."""
    if type(subject) in _MAPS:
        return (*_MAPS[type(subject)], *where)
    name, rest = str(where[0]), where[1:]
    if isinstance(subject, Export):
        return _place_of_export(subject, where)
    if name in ("dataset", "eval_dataset", "dataset_info") and rest and spec.dataset is not None:
        return _place_of_dataset(spec, spec.dataset, where)
    if name == "deepspeed" and rest:
        return _OF_ENGINE.get(where, ("engine", "config", *rest))
    if name in _PLACES:
        return _OF_ENGINE.get(where, (*_PLACES[name], *rest))
    derived = ("dataset", "evaluation") if name == "eval_dataset" else ("train",)
    return next(((*path, *where) for path, given in reversed(groups(spec)) if name in given), derived)


def _place_of_export(subject: Export, where: KeyPath) -> KeyPath:
    if where == ("model_name_or_path",):
        return _PLACES["model_name_or_path"]
    group = ("merge",) if subject.gives("adapter_name_or_path") else ("quantize", "arguments")
    return ("method", *group, *where)


def _place_of_dataset(spec: JobSpec, dataset: Dataset, where: KeyPath) -> KeyPath:
    """The key that names a dataset, or the one in its description."""
    argument, name, *rest = where
    parts = dataset.evaluated if argument == "eval_dataset" else dataset.parts
    if argument == "dataset_info":
        owners = [part for part, one in parts.items() if name in (one.info or {})]
        return (*source_path(next(iter(owners), "dataset"))[:-1], "info", name, *rest)
    owners = [part for part, one in parts.items() if name in one.used]
    if not owners and argument == "eval_dataset" and argument in chosen(spec):
        return set_at(spec, argument)
    return (*source_path(next(iter(owners), "dataset"))[:-1], "names")


# Remedies that select an option of a group.
_OPTIONS = {
    ("deepspeed", None): "engine=ddp",
    ("finetuning_type", "lora"): "method=lora-sft",
    ("finetuning_type", "full"): "method=full-sft",
    ("zero_stage", 0): "engine=deepspeed-z0",
    ("zero_stage", 2): "engine=deepspeed-z2",
    ("zero_stage", 3): "engine=deepspeed-z3",
}


def say(remedy: dict[str, Any]) -> str:
    """A remedy as overrides."""
    used = [_OPTIONS[item] for item in remedy.items() if _hashable(item[1]) and item in _OPTIONS]
    rest = {name: value for name, value in remedy.items() if not (_hashable(value) and (name, value) in _OPTIONS)}
    written = [_override(name, value) for name, value in rest.items() if value is not None]
    left_out = [_key(name) for name, value in rest.items() if value is None]
    parts = {"use": used, "set": written, "leave out": left_out}
    return " and ".join(f"{verb} {' and '.join(words)}" for verb, words in parts.items() if words)


def _hashable(value: object) -> bool:
    return not isinstance(value, dict | list)


def _key(name: str) -> str:
    return ".".join(map(str, _PLACES.get(name, ("train", name))))


def _override(name: str, value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{key}: {one}" for key, one in value.items())
        return f"'{_key(name)}={{{inside}}}'"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{_key(name)}={shown}"
