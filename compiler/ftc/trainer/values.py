"""Check the value of a trainer argument against its schema."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import type_words
from ftc.diagnostics.redact import on_a_line

if TYPE_CHECKING:
    from ftc.spec.base import Json

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def problem(value: Any, schema: Json) -> str:
    """The problem with a value; empty if it is valid."""
    shown = on_a_line(value)
    if "enum" in schema and value not in schema["enum"]:
        return f"is {shown}, and must be one of {', '.join(str(choice) for choice in schema['enum'])}"
    if not _finite(value):
        return f"is {shown}, and must be finite"
    return "" if has_type(value, schema) else f"is {shown}, and must be {type_words(_types(schema))}"


def has_type(value: Any, schema: Json) -> bool:
    """Whether a value has a type that the argument accepts, ignoring choices and limits; inf and nan never do."""
    types = _types(schema)
    return _finite(value) and (not types or any(_is(value, name) for name in types))


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _types(schema: Json) -> list[str]:
    if "enum" in schema:
        return ["string", "null"]
    types: str | list[str] = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, _PYTHON_TYPES[name])
