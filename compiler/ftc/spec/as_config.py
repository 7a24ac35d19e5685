"""A spec as a config that composes to it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

# OmegaConf's escape: backslashes directly before a reference count twice.
_REFERENCE = re.compile(r"(\\*)\$\{")


def complete(spec: JobSpec) -> Json:
    """Every key; a string that looks like a reference is escaped."""
    written: Json = _escaped(msgspec.to_builtins(spec))
    return written


def short(spec: JobSpec) -> Json:
    """The keys that differ from the defaults of their types, so that a new key in a release changes nothing."""
    written: Json = _escaped(_without_defaults(spec))
    return written


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return _REFERENCE.sub(r"\1\1\\${", value) if isinstance(value, str) else value


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        kind = {} if tag is None else {value.__struct_config__.tag_field: tag}
        return kind | {name: _without_defaults(given) for name, given in differing(value).items()}
    if isinstance(value, dict):
        return {key: _without_defaults(inner) for key, inner in value.items()}
    return [_without_defaults(inner) for inner in value] if isinstance(value, list | tuple) else value


def differing(value: msgspec.Struct) -> Json:
    """The fields that do not have their default."""
    fields = ((field, getattr(value, field.name)) for field in _fields(type(value)))
    return {field.name: given for field, given in fields if given != _default(field)}


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
