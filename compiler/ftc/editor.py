"""The JSON Schemas of conf files, for editors; `make schemas` writes them all.

They complete the options of groups and the arguments of the trainer, which the types of the spec do not have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftc.resources import directory
from ftc.spec.schema import spec_schema
from ftc.trainer import release
from ftc.trainer.arguments import OWNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


REFERENCE = {"$ref": "#/$defs/Reference"}
DEFINED = {
    "Reference": {
        "description": "A reference, ${key.path}, or ???: no value yet",
        "type": "string",
        "pattern": r"\$\{|^\?\?\?$",
    }
}
DEFAULTS = "DefaultsList"
_EXPORT = "export_"


def options(group: str) -> list[str]:
    """The shipped options of a group."""
    return sorted(file.stem for file in (directory("conf") / group).glob("*.yaml"))


def defaults(first: Iterable[str], keys: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The schema of a defaults list, DEFAULTS, and the schemas that it refers to.

    `first` are configs that it may name; `keys` are the ways to choose an option, each with its group.
    """
    groups = sorted(set(keys.values()))
    chosen = {
        "type": "object",
        "properties": {key: _reference(group) for key, group in keys.items()},
        "patternProperties": {f"^(override +)?/?{group}@": _reference(group) for group in groups},
    }
    whole = {
        "description": "The configs that this one extends, in their order.",
        "type": "array",
        "items": {"anyOf": [{"enum": [*first, "_self_"]}, {"type": "string"}, chosen]},
    }
    return {DEFAULTS: whole, **{_name(group): _option(group) for group in groups}}


def _name(group: str) -> str:
    return f"OptionOf{group.capitalize()}"


def _reference(group: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{_name(group)}"}


def _option(group: str) -> dict[str, Any]:
    return {"anyOf": [{"enum": options(group)}, {"type": ["string", "null"]}]}


def training() -> dict[str, Any]:
    """The schema of a mapping of training arguments, without those that ftc derives itself."""
    return _arguments(name for name in _known("train") if name not in OWNED)


def exporting() -> dict[str, Any]:
    """The schema of a mapping of export arguments: only its own, which are a few of all that it reads."""
    return _arguments(name for name in _known("export") if name.startswith(_EXPORT) and name not in OWNED)


def _known(command: str) -> Iterator[str]:
    yield from sorted({name for pair in release.pairs() for name in release.arguments(pair)[command]})


def _arguments(names: Iterable[str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _argument(name) for name in names}}


def _argument(name: str) -> dict[str, Any]:
    """All that any release accepts, described as in the last release that has it."""
    known = [release.arguments(pair)["arguments"] for pair in release.pairs()]
    found = [arguments[name] for arguments in known if name in arguments]
    about = {"description": found[-1]["description"]}
    choices = [choice for one in found for choice in one.get("enum", ())]
    types = sorted({name for one in found for name in _types(one)})
    if not choices and "string" in types:
        return {**about, "type": types}
    return {**about, "anyOf": [{"enum": list(dict.fromkeys(choices))} if choices else {"type": types}, REFERENCE]}


def _types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


PRIMARY = "config"
# Each group, with the type and the key that its files describe.
_GROUPS = {
    "build": ("Hardware", "build"),
    "source": ("Model", "source"),
    **{
        name: ("JobSpec", name)
        for name in (
            *("cluster", "dataset", "engine", "hardware", "launcher", "method", "model", "network", "publish"),
            *("storage", "tracking"),
        )
    },
}
# The groups that are nested in others, and where.
PLACES = {
    **dict.fromkeys(("source@model.source", "source@method.adapter", "source@dataset.source"), "source"),
    "build@hardware.build": "build",
}
_SEVERAL = ("source", "build")
_LINE = 240
NAMES = (PRIMARY, *sorted(_GROUPS))
# The keys that hold arguments of the trainer, by their owners.
_TRAINING = "TrainingArguments"
_EXPORTING = "ExportArguments"
_ARGUMENTS = {
    **{(owner, "arguments"): _TRAINING for owner in ("Dataset", "OneDataset", "Hardware", "Method", "Model")},
    **{("JobSpec", key): _TRAINING for key in ("train", "evaluate")},
    ("Method", "merge"): _EXPORTING,
    ("Quantization", "arguments"): _EXPORTING,
}


def make(name: str) -> dict[str, Any]:
    """The schema of a group's files, or of a primary config."""
    definitions = _definitions()
    owner, key = _GROUPS.get(name, ("", ""))
    top = _partial(spec_schema()["$defs"][owner]["properties"][key]) if owner else {"$ref": "#/$defs/JobSpec"}
    top = {"allOf": [top]} if "$ref" in top else top  # draft 7 ignores the siblings of a reference
    definitions |= _defaults(name)
    defaults = {"$ref": f"#/$defs/{DEFAULTS}"}
    for target in set(_references(top)):
        known = definitions[target]["properties"]
        definitions[target] = {**definitions[target], "properties": {"defaults": defaults, **known}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{name}.schema.json",
        "title": f"A file of ftc's group {name}" if owner else "A primary config of ftc",
        **{key: value for key, value in top.items() if key != "default"},
        "$defs": {key: definitions[key] for key in sorted(_reached(top, definitions))},
    }


def text(name: str) -> str:
    """Write the schema as text."""
    return written(make(name), 0) + "\n"


def written(value: Any, depth: int) -> str:
    """Write JSON with all that fits on one line, so that a change of one argument is a diff of one line."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(line) + depth <= _LINE or not isinstance(value, dict | list):
        return line
    margin = "\n" + " " * depth
    if isinstance(value, list):
        return "[" + ",".join(f"{margin} {written(one, depth + 1)}" for one in value) + f"{margin}]"
    pairs = (f"{margin} {json.dumps(key)}: {written(one, depth + 1)}" for key, one in sorted(value.items()))
    return "{" + ",".join(pairs) + f"{margin}}}"


def _defaults(name: str) -> dict[str, Any]:
    """The configs that a file of a group may extend, or the options that a primary config may choose."""
    if name != PRIMARY:
        below = {f"{override}/{group}@{group}": group for group in _SEVERAL for override in ("", "override ")}
        return defaults(options(name), below)
    alone = {group: group for group in _GROUPS if group not in _SEVERAL}
    override = {f"override {place}": group for place, group in {**alone, **PLACES}.items()}
    return defaults((PRIMARY,), alone | override)


def _definitions() -> dict[str, Any]:
    """The types of the spec, with the trainer's arguments where the types are open.

    They have no titles, and a kind does not repeat the description of its type: editors read no schema of more than
    200,000 bytes.
    """
    found = {key: _partial(one) for key, one in spec_schema()["$defs"].items()}
    for one in found.values():
        one.pop("title", None)
        if kind := one.get("properties", {}).get("kind"):
            one["properties"]["kind"] = {key: value for key, value in kind.items() if key != "description"}
    for (owner, key), arguments in _ARGUMENTS.items():
        known = found[owner]["properties"]
        found[owner] = {**found[owner], "properties": {**known, key: _as_arguments(known[key], arguments)}}
    return {**found, **DEFINED, _TRAINING: training(), _EXPORTING: exporting()}


def _as_arguments(schema: Any, name: str) -> Any:
    """Replace an object that may hold anything by the arguments."""
    if isinstance(schema, list):
        return [_as_arguments(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "object":
        return {"allOf": [{"$ref": f"#/$defs/{name}"}]}
    return {key: _as_arguments(one, name) for key, one in schema.items()}


def _partial(schema: Any) -> Any:
    """Make every key optional, and accept references as values; conditions are kept."""
    if isinstance(schema, list):
        return [_partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key == "if" else _partial(value) for key, value in schema.items() if key != "required"}
    if "properties" in schema:
        inner = schema["properties"]
        found["properties"] = {key: one if key == "kind" else _or_reference(one) for key, one in inner.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found[key] = _or_reference(schema[key])
    return found


def _or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    partial: dict[str, Any] = _partial(schema)
    return {"anyOf": [partial, REFERENCE]}


def _references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for one in inner:
        yield from _references(one)


def _reached(top: Any, definitions: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = set(_references(top))
    while waiting:
        found |= waiting
        waiting = {name for one in waiting for name in _references(definitions[one])} - found
    return found


if __name__ == "__main__":
    for one in NAMES:
        (Path(sys.argv[1]) / f"{one}.schema.json").write_text(text(one), encoding="utf-8")
