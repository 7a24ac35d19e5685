"""Whether a value is one that an argument of the trainer takes."""

from __future__ import annotations

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
    """What is wrong with a value of an argument; nothing where it fits."""
    shown = on_a_line(value)
    if "enum" in schema and value not in schema["enum"]:
        return f"is {shown}, and must be one of {', '.join(str(choice) for choice in schema['enum'])}"
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if types and not any(_is(value, name) for name in types):
        return f"is {shown}, and must be {type_words(types)}"
    return ""


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, _PYTHON_TYPES[name])
