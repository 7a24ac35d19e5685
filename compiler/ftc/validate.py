"""Validate the composed data against the schema of the spec: every error, each at its position."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.compose.references import referred
from ftc.diagnostics import codes
from ftc.diagnostics.model import (
    MORE,
    MOST_FINDINGS,
    Diagnostic,
    KeyPath,
    and_others,
    did_you_mean,
    dotted,
    first_keys,
    nearest,
    type_words,
)
from ftc.diagnostics.printable import on_a_line
from ftc.spec.job import JobSpec, is_source
from ftc.spec.schema import meant, schemas_at, spec_schema
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from ftc.compose import Composed


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s that `ftc list` need not pay
    from jsonschema.validators import extend  # noqa: PLC0415 - the same

    # JSON has one kind of number; here 1.0 is not an integer, as in the types.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator: Validator = extend(Draft202012Validator, type_checker=checker)(spec_schema())  # type: ignore[no-untyped-call] # untyped there
    return validator


def validate(composed: Composed) -> tuple[Diagnostic, ...]:
    """Report what the schema does not allow.

    Data that converts is valid: the schema is made from the types. jsonschema takes fifty times as long, but explains
    what is wrong.
    """
    odd = [*_unwritable(composed.data, ()), *_without_names(composed.data)]
    if not odd and _converts(composed.data):
        return ()
    told = {diagnostic.path for diagnostic in odd}
    # jsonschema reports a mapping that lacks several keys once for each of them.
    errors = list(dict.fromkeys(d for error in _validator().iter_errors(composed.data) for d in _diagnostics(error)))
    # A misspelled key explains others, so its suggestion is never among the findings that are cut.
    errors.sort(key=lambda one: one.code != codes.UNKNOWN_KEY)
    everything = [*odd, *(one for one in errors if one.path not in told)]
    found = [_placed(one, composed) for one in everything[:MOST_FINDINGS]]
    if len(everything) > MOST_FINDINGS:
        more = _placed(everything[MOST_FINDINGS], composed)
        found.append(msgspec.structs.replace(more, message=f"{MORE} ({len(everything) - MOST_FINDINGS})", help=""))
    if not composed.choices and any(d.code == codes.REQUIRED for d in found):
        found.append(
            Diagnostic(
                code=codes.NO_OPTIONS,
                message="the primary config chooses no option of any group",
                position=composed.start(),
                help="begin it with `defaults: [config, _self_]`",
            )
        )
    return tuple(found)


def _converts(data: dict[str, Any]) -> bool:
    try:
        msgspec.convert(data, JobSpec)
    except msgspec.ValidationError:
        return False
    return True


def _unwritable(value: Any, path: KeyPath) -> Iterator[Diagnostic]:
    """Report values and keys that no manifest can hold.

    No program starts with NUL in an argument or a variable (execve), half of a surrogate pair is not UTF-8, and JSON
    has only finite numbers.
    """
    if isinstance(value, str) and (unfit := _UNFIT.search(value)):
        name = "NUL" if unfit[0] == "\0" else f"half of a character, U+{ord(unfit[0]):04X}"
        yield _diagnostic(codes.VALUE, f"contains {name}, which no container can receive", path, "delete it")
    elif isinstance(value, float) and not math.isfinite(value):
        yield _diagnostic(
            codes.VALUE, f"is {value}, and must be a finite number", path, "write a finite number, or remove it"
        )
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if isinstance(key, str) and _UNFIT.search(key):
            message = f"the key {on_a_line(key)} contains a character that no manifest can hold"
            yield _diagnostic(codes.VALUE, message, path, "choose another key")
        else:
            yield from _unwritable(inner, (*path, key))


def _without_names(data: dict[str, Any]) -> Iterator[Diagnostic]:
    """Report a dataset that neither has a description nor says which datasets of its source it means."""
    for path, one in _parts(data.get("dataset")):
        if not isinstance(one, dict) or one.get("names") or one.get("info"):
            continue
        source, key = one.get("source"), dotted(path)
        kind = source.get("kind") if isinstance(source, dict) else None
        described = "script_url=." if kind in _HUBS else "file_name=train.jsonl"
        help_ = f"describe it: {key}.info.NAME.{described}; or name those of its dataset_info.json: {key}.names=[NAME]"
        yield _diagnostic(codes.REQUIRED, "needs a value", (*path, "names"), help_)


def _parts(dataset: Any) -> Iterator[tuple[KeyPath, Any]]:
    """The dataset and the further ones below it, each with its key."""
    yield ("dataset",), dataset
    for group in ("more", "evaluation"):
        further = dataset.get(group) if isinstance(dataset, dict) else None
        if isinstance(further, dict):
            yield from ((("dataset", group, key), one) for key, one in further.items())


_HUBS = ("huggingface", "huggingface-direct", "modelscope")


_UNFIT = re.compile("[\0\ud800-\udfff]")


def _placed(diagnostic: Diagnostic, composed: Composed) -> Diagnostic:
    """The finding at the place of its key, or of the key of the run to which its value refers, which may explain it."""
    text = _written(diagnostic.path, composed)
    key = next(iter(referred(text, diagnostic.path)), ())
    is_whole = re.fullmatch(r"\$\{[^{}]*\}", text)
    place = key if is_whole and composed.is_of_run(key) else diagnostic.path
    position = composed.position(place) or composed.start()
    return msgspec.structs.replace(diagnostic, position=position, follows_from=key)


def _written(path: KeyPath, composed: Composed) -> str:
    """The value of a key before its references are replaced; empty if a parent sets the key."""
    settings = composed.settings(path)
    return str(settings[-1].value) if settings and settings[-1].path == path else ""


def _diagnostics(error: ValidationError) -> Iterator[Diagnostic]:
    names_a_key = "propertyNames" in error.absolute_schema_path
    path = (*error.absolute_path, str(error.instance)) if names_a_key else tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator == "type" and instance not in schema.get("enum", (instance,)):
        return  # the choices report it
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        reported, others = first_keys(key for key in instance if key not in known)
        for key in reported:
            help_ = _other_kinds(key, path) or _elsewhere((*path, key), known) or did_you_mean(key, known)
            yield _diagnostic(codes.UNKNOWN_KEY, "unknown key", (*path, key), help_)
        if others:
            yield _diagnostic(codes.UNKNOWN_KEY, and_others(others), (*path, others[0]), "")
    elif error.validator == "required":
        for key in [k for k in wanted if k not in instance]:
            yield _diagnostic(codes.REQUIRED, "is required", (*path, key), f"set {dotted((*path, key))}=…")
    elif error.validator == "enum":
        known = [str(choice) for choice in wanted]
        message = f"is {on_a_line(instance)}, and must be one of {', '.join(known)}"
        yield _diagnostic(codes.VALUE, message, path, nearest(str(instance), known))
    else:
        yield _diagnostic(codes.VALUE, _message(error), path, _help(error))


def _elsewhere(path: KeyPath, known: list[str]) -> str:
    """Name the key in another section that is meant, unless a key here is similar."""
    if nearest(str(path[-1]), known):
        return ""
    arguments = release.arguments(release.pairs()[-1])["train"]
    found = meant(path, frozenset(arguments))
    return f"did you mean {' or '.join(f'{key}=…' for key in found)}?" if found else ""


def _other_kinds(key: str, path: KeyPath) -> str:
    """Name the other kinds that have the key, if the path holds one of several kinds."""
    shapes = [schema for schema in schemas_at(path) if "kind" in schema.get("properties", {})]
    kinds = sorted({s["properties"]["kind"]["enum"][0] for s in shapes if key in s["properties"]})
    words = " or ".join(_of_kind(path, kind) for kind in kinds)
    return f"kind {' or '.join(kinds)} has it: add {words}" if kinds else ""


def _of_kind(path: KeyPath, kind: str) -> str:
    """The words that choose a kind; the options of sources and of `publish` have the names of the kinds."""
    if is_source(path):
        return f"source@{dotted(path)}={kind}"
    return f"publish={kind}" if path == ("publish",) else f"{dotted(path)}.kind={kind}"


def _diagnostic(code: str, message: str, path: KeyPath, help_: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, path=path, help=help_, at_key=code == codes.UNKNOWN_KEY)


def _message(error: ValidationError) -> str:
    instance: Any = error.instance
    value, limit = on_a_line(instance), error.validator_value
    match error.validator:
        case "type":
            types = [limit] if isinstance(limit, str) else list(limit)  # type: ignore[arg-type] # the schema's list
            return "needs a value" if instance is None else f"is {value}, and must be {type_words(types)}"
        case "minimum" | "maximum":
            return f"is {value}, and must be at {'least' if error.validator == 'minimum' else 'most'} {limit}"
        case "minLength" | "minItems":
            return "must not be empty"
        case "maxLength":
            return f"is {len(instance)} characters long; the limit is {limit}"
        case "pattern":
            return f"is {value}, which is not well formed"
    return error.message


def _help(error: ValidationError) -> str:
    path = tuple(error.absolute_path)
    if error.validator == "type":
        return _help_with_type(error, path)
    if str(error.instance).startswith("/") and path[-1:] == ("repository",) and is_source(path[:-1]):
        return f"{_accepted(error.schema)} For a directory: {_source(dotted(path[:-1]), str(error.instance))}"  # type: ignore[arg-type] # no schema of ours is a boolean
    return _accepted(error.schema) if isinstance(error.schema, dict) else ""


def _help_with_type(error: ValidationError, path: KeyPath) -> str:
    key, value, wanted = dotted(path), error.instance, error.validator_value
    if value is None:
        return _missing(path)
    if wanted == "object" and isinstance(value, str):
        return _choice(key, value, error.schema)
    if wanted == "array" and isinstance(value, str) and re.fullmatch(r"[\w.@/,-]+", value):
        return f"write '{key}=[{value}]'"
    if wanted == "string" and isinstance(value, bool | int | float):
        reason = "a bare number may lose its form (1.10 is 1.1)"
        yes = "YAML 1.1 reads unquoted on, yes, off and no as true and false"
        return f"quote it: {yes if isinstance(value, bool) else reason}"
    if "integer" in wanted:  # type: ignore[operator] # a word or a list
        return _integer(path, str(value).strip())
    return _accepted(error.schema) if isinstance(error.schema, dict) else ""


def _missing(path: KeyPath) -> str:
    """How to set a value that is null; the repository of a source is the owner's id unless another source is chosen."""
    if path[-2:] != ("source", "repository"):
        return f"set {dotted(path)}=…"
    return f"set {dotted(path[:-2])}.id=owner/name; for files on a volume: {_source(dotted(path[:-1]), '/…')}"


def _accepted(schema: dict[str, Any]) -> str:
    """Which values a key accepts, or what a section is, if the schema has words for it."""
    text: str = schema.get("description" if "properties" in schema else "errorMessage", "")
    return text.partition("\n")[0]


def _choice(where: str, option: str, schema: Any) -> str:
    """How to choose an option for a section."""
    if is_source(tuple(where.split("."))):
        return f"write {_source(where, option)}; `ftc list source` lists the options"
    if "secret" in schema.get("properties", {}):
        return f"write {where}.secret=NAME: the value is in the Secret NAME of the namespace"
    return "set its keys one by one, or choose an option of a group: see `ftc list`"


def _source(where: str, option: str) -> str:
    """The words for a source: an option, or a directory."""
    return f"source@{where}={f'path {where}.path={option}' if option.startswith('/') else option}"


def _integer(path: KeyPath, text: str) -> str:
    """How to write the integer that was meant, or an example of one; without a unit it may mean another amount."""
    found = re.match(r"[0-9]+", text)
    unit = re.fullmatch(r"[0-9.]+\s*([A-Za-z]+)", text)
    if unit and f"{unit[1].lower().removesuffix('b')}b" not in re.split(r"[._]", dotted(path)):
        parents = [schema.get("properties", {}) for schema in schemas_at(path[:-1])]
        about = next((keys[path[-1]]["description"] for keys in parents if path[-1] in keys), "")
        return f"write a number without a unit. {about}".partition("\n")[0].rstrip()
    return f"write {dotted(path)}={int(found[0]) if found else 2}"
