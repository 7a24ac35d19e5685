"""Problems in a defaults list, reported at the item that is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from hydra.core.object_type import ObjectType
from hydra.errors import MissingConfigException

from ftc.compose.overrides import problem
from ftc.diagnostics.codes import CHOICE
from ftc.diagnostics.model import Diagnostic, Position, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra.core.override_parser.types import Override

    from ftc.compose.files import Repository


class Item(msgspec.Struct, frozen=True):
    """One item of a defaults list: the config that contains it, and the group and option (or config) that it names."""

    config: str
    position: Position
    group: str
    option: str

    @property
    def target(self) -> str:
        """The config path that it names."""
        return f"{self.group}/{self.option}".lstrip("/")


def defaults_problem(error: Exception, repository: Repository, parsed: Sequence[Override]) -> Diagnostic:
    """Turn Hydra's error about the defaults lists into a diagnostic at the override or the item that it means."""
    items = list(_items(repository))
    if isinstance(error, RecursionError):
        return _cycle(items)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing(error.missing_cfg_file, items, repository)
    if unused := re.search(r"Could not override '([^']+)'", lines[0]):
        return _unused(unused[1], _use(unused[1], lines[1:], repository), items, parsed)
    if twice := re.match(r"Multiple values for ([^.]+(?:\.\w+)*)\.", lines[0]):
        return _twice(twice[1], items, parsed)
    named = re.search(r"[Ii]n '?([\w./-]+?)'?(?:[:,]|$)", lines[0])
    document = repository.documents().get(named[1]) if named else None
    position = document.position(("defaults",)) if document else None
    return Diagnostic(code=CHOICE, message=lines[0], position=_odd_item(repository) or position)


def _odd_item(repository: Repository) -> Position | None:
    """Find the first item that is neither a config nor one group with an option, or that contains a reference."""
    for _, position, entry in _entries(repository):
        options = list(entry.values()) if isinstance(entry, dict) else [entry]
        allowed = str | list | None if isinstance(entry, dict) else str
        if len(options) != 1 or not isinstance(options[0], allowed) or "${" in str(options[0]):
            return position
    return None


def _items(repository: Repository) -> Iterator[Item]:
    for config, position, entry in _entries(repository):
        for group, option in _named(entry, config.rpartition("/")[0]):
            yield Item(config, position, group, option)


def _entries(repository: Repository) -> Iterator[tuple[str, Position, Any]]:
    """Yield the items of all defaults lists, each with its config and position."""
    for config, document in repository.documents().items():
        defaults = document.data.get("defaults")
        for index, entry in enumerate(defaults if isinstance(defaults, list) else ()):
            yield config, document.position(("defaults", index)), entry


def _named(entry: Any, parent: str) -> Iterator[tuple[str, str]]:
    """Yield the group and the option of an item, as Hydra reads them: relative to the config's own group."""
    if isinstance(entry, str):
        path = entry.partition("@")[0]
        group, _, option = (path if path.startswith("/") else f"{parent}/{path}").rpartition("/")
        yield group.strip("/"), option
    elif isinstance(entry, dict):
        for key, value in entry.items():
            group = str(key).split(" ")[-1].partition("@")[0]
            yield (group if group.startswith("/") or not parent else f"{parent}/{group}").strip("/"), str(value)


def _cycle(items: list[Item]) -> Diagnostic:
    for item in items:
        if item.target == item.config:
            message = f"'{item.config}' extends itself"
            return _at(item, message, "extend a shipped option under another name")
    for item in items:
        if item.config in _reachable(item.target, items):
            return _at(item, f"'{item.config}' is part of a cycle", "break the cycle")
    return Diagnostic(code=CHOICE, message="a defaults list has a cycle", help="check the last edit")


def _reachable(start: str, items: list[Item]) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        config = waiting.pop()
        if config not in seen:
            seen.add(config)
            waiting += [item.target for item in items if item.config == config]
    return seen


def _missing(path: str, items: list[Item], repository: Repository) -> Diagnostic:
    group, _, option = path.rpartition("/")
    options = repository.get_group_options(group, ObjectType.CONFIG)
    message = f"'{option}' is not an option of {group}" if group else f"config '{option}' does not exist"
    item = next((item for item in items if item.target == path), None)
    help_ = did_you_mean(option, options, f"ftc list {group}")
    return _at(item, message, help_) if item else Diagnostic(code=CHOICE, message=message, help=help_)


def _unused(key: str, said: tuple[str, str], items: list[Item], parsed: Sequence[Override]) -> Diagnostic:
    """Report a choice for a group that no config of the run uses (under that package)."""
    message, help_ = said
    text = _typed(key, parsed)
    item = next((item for item in items if item.group == key.partition("@")[0]), None)
    if text is None and item is not None:
        return _at(item, message, help_)
    return problem(CHOICE, message, text or "", help_)


def _use(key: str, rest: list[str], repository: Repository) -> tuple[str, str]:
    """Explain what is wrong with such a key, and how to write it; Hydra's message ends with the packages."""
    group = key.partition("@")[0]
    used = [name for line in rest for name in re.findall(r"\w+@[\w.]+\w", line) if name != key]
    groups = repository.get_group_options("", ObjectType.GROUP)
    help_ = "leave it out" if "@" in key else f"add it to the run: +{key}=…"
    help_ = f"choose it at its place: {', '.join(f'{name}=…' for name in used)}" if used else help_
    help_ = help_ if group in groups else did_you_mean(group, groups)
    return (f"nothing in this run uses '{key}'" if group in groups else f"group '{group}' does not exist"), help_


def _twice(key: str, items: list[Item], parsed: Sequence[Override]) -> Diagnostic:
    message = f"'{key}' already has an option"
    text = _typed(f"+{key}", parsed)
    named = [item for item in items if item.group == key.partition("@")[0]]
    if text is None and named:
        return _at(named[-1], message, f"write `- override {key}: {named[-1].option}`")
    return problem(CHOICE, message, text or "", "drop the +")


def _typed(key: str, parsed: Sequence[Override]) -> str | None:
    """Find the override of a key."""
    return next((override.input_line for override in parsed if override.get_key_element() == key), None)


def _at(item: Item, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code=CHOICE, message=message, position=item.position, help=help_)
