"""The JSON Schema of the spec, generated from its types; `python -m ftc.spec.schema` prints it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from ftc.spec.job import JobSpec

ID = "spec.schema.json"


def make() -> dict[str, Any]:
    """The schema, draft 2020-12; unions become `if … then`, so that an error refers to one branch only."""
    (root,), components = msgspec.json.schema_components([JobSpec], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "The spec of an ftc job",
        **root,
        "$defs": {name: _rewrite(schema) for name, schema in sorted(components.items())},
    }


def text() -> str:
    """The content of schemas/spec.schema.json."""
    return written(make())


def written(schema: dict[str, Any]) -> str:
    """The content of a schema file."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _rewrite(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_rewrite(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return _tagged(schema)
    if len(schema.get("anyOf", ())) == 2 and {"type": "null"} in schema["anyOf"]:  # noqa: PLR2004 - something or null
        return _nullable(schema)
    if schema.get("enum") and all(isinstance(value, int) for value in schema["enum"]):
        return {**schema, "type": "integer"}  # JSON Schema does not distinguish 1.0 from 1, ftc does
    texts = {"description": inspect.cleandoc(schema["description"])} if "description" in schema else {}
    return {**{key: _rewrite(value) for key, value in schema.items()}, **texts}


def _tagged(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = sorted(schema["discriminator"]["mapping"].items())
    branches = [
        {"if": {"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": ref}}
        for kind, ref in kinds
    ]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "discriminator")}
    kind = {"enum": [name for name, _ in kinds]}
    return {**rest, "type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": branches}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    inner = next(branch for branch in schema["anyOf"] if branch != {"type": "null"})
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, "if": {"not": {"type": "null"}}, "then": _rewrite(inner)}


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201 - the script's purpose
