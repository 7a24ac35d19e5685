"""The composed data against the schema of the spec: every error, each at its position."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.diagnostics.model import Diagnostic, KeyPath, did_you_mean, dotted, nearest, type_words
from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from ftc.compose import Composed

UNKNOWN_KEY = "FTC010"
"""The code of a key that the spec does not have."""
NO_OPTIONS = "FTC013"
"""The code of a primary config that is not based on the shipped one, and not whole by itself."""
REQUIRED = "FTC011"
"""The code of a key that is missing."""


@cache
def spec_schema() -> dict[str, Any]:
    """The shipped schema of the spec."""
    schema: dict[str, Any] = json.loads((directory("schemas") / "spec.schema.json").read_bytes())
    return schema


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s that `ftc list` need not pay
    from jsonschema.validators import extend  # noqa: PLC0415

    # JSON knows one kind of number; here 1.0 is no whole number, as the types say.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator: Validator = extend(Draft202012Validator, type_checker=checker)(spec_schema())  # type: ignore[no-untyped-call] # untyped there
    return validator


def validate(composed: Composed) -> tuple[Diagnostic, ...]:
    """What the schema does not allow."""
    found = [d for error in _validator().iter_errors(composed.data) for d in _diagnostics(error, composed)]
    if not composed.choices and any(d.code == REQUIRED for d in found):
        found.append(
            Diagnostic(
                code=NO_OPTIONS,
                message="the primary config chooses no option of any group",
                position=composed.start(),
                help="begin it with `defaults: [config, _self_]`",
            )
        )
    return tuple(found)


def keeps_text(path: KeyPath) -> bool:
    """Whether the schema wants a text at `path`, in every shape that its parents can take."""
    found = list(_schemas_at(spec_schema(), path))
    return bool(found) and all(schema.get("type") == "string" for schema in found)


def _schemas_at(schema: dict[str, Any], path: KeyPath) -> Iterator[dict[str, Any]]:
    """The schemas of the value at `path`, one for each shape that its parents can take."""
    branches = _branches(schema)
    for branch in branches:
        yield from _schemas_at(branch, path)
    if not path:
        if "type" in schema and not branches:
            yield schema
        return
    head, rest = path[0], path[1:]
    inner = schema.get("items") if isinstance(head, int) else schema.get("properties", {}).get(head)
    inner = inner if inner is not None else schema.get("additionalProperties")
    if isinstance(inner, dict) and not (head == "kind" and "allOf" in schema):
        yield from _schemas_at(inner, rest)


def _branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a schema refers to: a definition, the rest of a nullable, the variants of a union."""
    found = [branch["then"] for branch in schema.get("allOf", ())] + [schema[key] for key in ("then",) if key in schema]
    return found + ([_definition(schema["$ref"])] if "$ref" in schema else [])


def _definition(ref: str) -> dict[str, Any]:
    definition: dict[str, Any] = spec_schema()["$defs"][ref.rpartition("/")[2]]
    return definition


def settle_kinds(composed: Composed) -> Composed:
    """Without the keys of another kind, where a later file or override has chosen the kind.

    Hydra merges mappings, so `storage.cache={kind: claim, …}` leaves the keys of the kind that was there before.
    """
    data = _settled(composed.data, spec_schema(), (), composed)
    return msgspec.structs.replace(composed, data=data)


def _settled(value: Any, schema: dict[str, Any], path: KeyPath, composed: Composed) -> Any:
    if not isinstance(value, dict):
        return value
    while "then" in schema or "$ref" in schema:
        schema = schema.get("then") or _definition(schema["$ref"])
    if "allOf" in schema:
        schema = _variant(schema, value.get("kind")) or schema
    known = schema.get("properties", {})
    kept = {k: v for k, v in value.items() if k in known or not _is_left_over(k, known, path, composed)}
    return {k: _settled(v, known.get(k, {}), (*path, k), composed) for k, v in kept.items()}


def _variant(union: dict[str, Any], kind: object) -> dict[str, Any] | None:
    found = [b["then"]["$ref"] for b in union["allOf"] if b["if"]["properties"]["kind"]["const"] == kind]
    return _definition(found[0]) if found else None


def _is_left_over(key: str, known: dict[str, Any], path: KeyPath, composed: Composed) -> bool:
    return "kind" in known and composed.rank((*path, key)) < composed.rank((*path, "kind"))


def _diagnostics(error: ValidationError, composed: Composed) -> Iterator[Diagnostic]:
    names_a_key = "propertyNames" in error.absolute_schema_path
    path = (*error.absolute_path, str(error.instance)) if names_a_key else tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for key in [k for k in instance if k not in known]:
            help_ = _other_kinds(key, path) or did_you_mean(key, known)
            yield _diagnostic(UNKNOWN_KEY, "there is no such key", (*path, key), composed, help_)
    elif error.validator == "required":
        for key in [k for k in wanted if k not in instance]:
            yield _diagnostic(REQUIRED, "is required", (*path, key), composed, f"set {dotted((*path, key))}=…")
    elif error.validator == "enum":
        known = [str(choice) for choice in wanted]
        message = f"is {_shown(instance)}, and must be one of {', '.join(known)}"
        yield _diagnostic("FTC012", message, path, composed, nearest(str(instance), known))
    else:
        yield _diagnostic("FTC012", _message(error), path, composed, _help(error))


def _other_kinds(key: str, path: KeyPath) -> str:
    """Whether a value of another kind has the key, where the path holds one of several kinds."""
    shapes = [schema for schema in _schemas_at(spec_schema(), path) if "kind" in schema.get("properties", {})]
    kinds = sorted({s["properties"]["kind"]["enum"][0] for s in shapes if key in s["properties"]})
    return f"kind {' or '.join(kinds)} has it, see `ftc list`" if kinds else ""


def _diagnostic(code: str, message: str, path: KeyPath, composed: Composed, help_: str) -> Diagnostic:
    position = composed.position(path) or composed.start()
    return Diagnostic(code=code, message=message, path=path, position=position, help=help_)


def _message(error: ValidationError) -> str:
    instance: Any = error.instance
    value, limit = _shown(instance), error.validator_value
    match error.validator:
        case "type":
            types = [limit] if isinstance(limit, str) else list(limit)  # type: ignore[arg-type] # the schema's list
            return f"is {value}, and must be {type_words(types)}"
        case "minimum" | "maximum":
            return f"is {value}, and must be at {'least' if error.validator == 'minimum' else 'most'} {limit}"
        case "minLength" | "minItems":
            return "must not be empty"
        case "maxLength":
            return f"is {len(instance)} characters long, and {limit} are allowed"
        case "pattern":
            return f"is {value}, which is not well formed"
    return error.message


def _help(error: ValidationError) -> str:
    if error.validator == "type" and error.instance is None:
        return f"set {dotted(tuple(error.absolute_path))}=…"
    if error.validator == "type" and error.validator_value == "object" and isinstance(error.instance, str):
        return "give its keys one by one, or choose an option of a group: see `ftc list`"
    if error.validator == "type" and error.validator_value == "string" and isinstance(error.instance, int | float):
        return "write it in quotes: a bare number may lose its form (1.10 is 1.1)"
    description = str(error.schema.get("description", "")) if isinstance(error.schema, dict) else ""
    return description.partition("\n")[0]


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - a line on a terminal
