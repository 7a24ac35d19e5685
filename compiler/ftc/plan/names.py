"""Names that are derived: each the same for the same spec, and within Kubernetes' limits."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec

_SLUG_LENGTH = 40


def slug(text: str) -> str:
    """Lower-case letters, digits and `-`, starting with a letter, at most 40 characters."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    cleaned = cleaned if re.match(r"[a-z]", cleaned) else f"x-{cleaned}".rstrip("-")
    return cleaned[:_SLUG_LENGTH].rstrip("-")


def digest(value: Any) -> str:
    """Eight hex digits of a value's content."""
    return hashlib.sha256(msgspec.json.encode(_given(value), order="deterministic")).hexdigest()[:8]


def _given(value: Any) -> Any:
    """A spec without what is at its default, so that a key which a release adds changes no name."""
    if isinstance(value, msgspec.Struct):
        fields = ((field, getattr(value, field.name)) for field in _fields(type(value)))
        return [type(value).__name__, {f.name: _given(given) for f, given in fields if given != _default(f)}]
    if isinstance(value, dict):
        return {key: _given(each) for key, each in value.items()}
    return [_given(each) for each in value] if isinstance(value, list | tuple) else value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def job_name(spec: JobSpec) -> str:
    """The spec's name, or one made of the model and the method (of the image for a command)."""
    if spec.name is not None:
        return spec.name
    if spec.model is not None and spec.method is not None:
        return slug(f"{spec.model.id.rpartition('/')[2]}-{spec.method.finetuning_type}-{spec.method.stage}")
    return slug(re.split(r"[:@]", spec.image.rpartition("/")[2])[0])


def fixed_name(spec: JobSpec) -> str:
    """The job's name where it is not generated: another spec has another one, unless the user fixed it."""
    name, run = job_name(spec), msgspec.structs.replace(spec, ignore=())
    return name if spec.naming == "fixed" else f"{name}-{digest(run)}"
