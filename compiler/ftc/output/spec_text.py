"""The resolved spec as YAML, which is a valid config."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import yaml_text
from ftc.diagnostics.redact import without_secrets

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def text(spec: JobSpec) -> str:
    """The spec, as `-o` writes it."""
    return yaml_text.dump(content(spec))


def shown(spec: JobSpec) -> str:
    """The spec without secrets, as `ftc show` prints it."""
    return yaml_text.dump(without_secrets(content(spec)))


def plain(spec: JobSpec) -> dict[str, Any]:
    """The spec without secrets as plain values."""
    found: dict[str, Any] = without_secrets(msgspec.to_builtins(spec))
    return found


def content(spec: JobSpec) -> dict[str, Any]:
    """The spec as plain values; a string that looks like a reference is escaped."""
    written: dict[str, Any] = _escaped(msgspec.to_builtins(spec))
    return written


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return _REFERENCE.sub(r"\1\1\\${", value) if isinstance(value, str) else value


# OmegaConf's escape: backslashes directly before a reference count twice.
_REFERENCE = re.compile(r"(\\*)\$\{")
