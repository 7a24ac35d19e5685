"""Completions of an editor in addition to the types of the spec: options of groups, and arguments of the trainer.

These are suggestions, not checks: a user may have other options, and other releases have other arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.resources import directory
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
