"""Derived names: deterministic, and within Kubernetes' limits."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.spec.job import differing
from ftc.trainer import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec
    from ftc.spec.method import Method
    from ftc.spec.model import Dataset

CARRIED = "ftc.dev/"
"""The prefix of ftc's annotations: those that carry files, and those that tell the origin of a job."""
_SLUG_LENGTH = 40


def slug(text: str) -> str:
    """Lower-case letters, digits and `-`, starting with a letter, at most 40 characters."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    cleaned = cleaned if re.match(r"[a-z]", cleaned) else f"x-{cleaned}".rstrip("-")
    return cleaned[:_SLUG_LENGTH].rstrip("-")


def digest(value: Any) -> str:
    """Eight hex digits that identify a value's content."""
    return hashlib.sha256(msgspec.json.encode(_without_defaults(value), order="deterministic")).hexdigest()[:8]


def _without_defaults(value: Any) -> Any:
    """A spec without its defaults, so that a new key in a release changes no name."""
    if isinstance(value, msgspec.Struct):
        return [type(value).__name__, {name: _without_defaults(given) for name, given in differing(value).items()}]
    if isinstance(value, dict):
        return {key: _without_defaults(each) for key, each in value.items()}
    return [_without_defaults(each) for each in value] if isinstance(value, list | tuple) else value


# Losses that LLaMA-Factory selects by pref_loss in the stage dpo, and that need no reference model.
_LOSSES = ("orpo", "simpo")


def method_words(spec: JobSpec, method: Method) -> str:
    """The method in the words of the field: how the weights are tuned and by what loss, such as `qlora sft`."""
    given = arguments.chosen(spec)
    tuning: str = method.finetuning_type
    if tuning == "lora" and given.get("use_dora") is True:
        tuning = "dora"
    if method.finetuning_type in ("lora", "oft") and given.get("quantization_bit") is not None:
        tuning = f"q{tuning}"
    loss = given.get("pref_loss") if method.stage == "dpo" else None
    return f"{tuning} {loss if loss in _LOSSES else method.stage}"


def job_name(spec: JobSpec) -> str:
    """The spec's name, or one derived from the model and the method (from the image for launcher=command)."""
    if spec.name is not None:
        return spec.name
    if spec.model is not None and spec.method is not None:
        return slug(f"{spec.model.id.rpartition('/')[2]}-{method_words(spec, spec.method)}")
    return _program(spec)


def of_point(spec: JobSpec, varied: Sequence[str]) -> str:
    """The name of a point of a matrix. It ends in a digest of the varied overrides: no two points share a name."""
    end = end_of_point(varied)
    if not end:
        return job_name(spec)
    name = job_name(spec) if spec.name else job_name(spec)[: _SLUG_LENGTH - len(end)].rstrip("-")
    return f"{name}{end}"


def end_of_point(varied: Sequence[str]) -> str:
    """The end of the name of a point of a matrix; empty if nothing varies, or only the name."""
    return "" if all(text.partition("=")[0] == "name" for text in varied) else f"-{digest(varied)}"


def labels(spec: JobSpec) -> dict[str, str]:
    """The labels by which `kubectl get -l` finds runs: those that Kubernetes recommends, and what the run does."""
    found = {
        "app.kubernetes.io/name": "llamafactory" if spec.trains else _program(spec),
        "app.kubernetes.io/instance": job_name(spec),
        "app.kubernetes.io/version": spec.trainer.llamafactory if spec.trains else "",
        "app.kubernetes.io/component": "training",
        "app.kubernetes.io/managed-by": "ftc",
        "ftc.dev/model": slug(spec.model.id.rpartition("/")[2]) if spec.model else "",
        "ftc.dev/method": slug(method_words(spec, spec.method)) if spec.method else "",
        "ftc.dev/hardware": slug(spec.hardware.vendor or "cpu"),
    }
    return {key: value for key, value in found.items() if value}


_OF_PODS = ("app.kubernetes.io/version", "app.kubernetes.io/component")


def without_contents(labels: dict[str, str]) -> dict[str, str]:
    """The labels that say to which run an object belongs, without those that say what the run does."""
    return {key: value for key, value in labels.items() if key not in _OF_PODS and not key.startswith(CARRIED)}


def _program(spec: JobSpec) -> str:
    return slug(re.split(r"[:@]", spec.image.rpartition("/")[2])[0])


def fixed_name(spec: JobSpec) -> str:
    """A name that the API server does not generate; it changes with the spec unless the user set it."""
    name = job_name(spec)
    return name if spec.naming == "fixed" else f"{name}-{spec_digest(spec)}"


def spec_digest(spec: JobSpec) -> str:
    """The digest that identifies what a spec runs."""
    return digest(_run(spec))


def _run(spec: JobSpec) -> JobSpec:
    """The spec without what ftc only judges or prints by, so that a corrected fact changes no name."""
    hardware = msgspec.structs.replace(spec.hardware, node=None)
    dataset = spec.dataset and _without_rows(spec.dataset)
    return msgspec.structs.replace(spec, ignore=(), pins={}, hardware=hardware, dataset=dataset)


def _without_rows(dataset: Dataset) -> Dataset:
    more, evaluation = (
        {key: msgspec.structs.replace(one, rows={}) for key, one in parts.items()}
        for parts in (dataset.more, dataset.evaluation)
    )
    return msgspec.structs.replace(dataset, rows={}, more=more, evaluation=evaluation)


def renames(spec: JobSpec, key: KeyPath) -> bool:
    """Whether another value of a key changes the digest in the name of `fixed_name`."""
    rows = key[0] == "dataset" and "rows" in key[1:4:2]
    return spec.naming != "fixed" and not (rows or key[0] in ("ignore", "pins") or key[:2] == ("hardware", "node"))
