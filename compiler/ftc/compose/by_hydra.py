"""Composition by Hydra's own loader, for configurations that are not plain and for error messages.

It calls the loader of hydra-core 1.3 (`hydra/_internal`) without Hydra's own configuration, which costs more than all
of the rest. Problems in a defaults list are reported at the item that is wrong.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import msgspec
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.object_type import ObjectType
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from ftc.compose.conf import COMPOSITION_ERRORS, defaults_list, layers
from ftc.compose.overrides import problem
from ftc.compose.references import BeyondError, measure
from ftc.compose.types import Composed, key_path, value_override
from ftc.diagnostics.codes import CHOICE, TOO_LARGE, UNRESOLVED, VALUE
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, did_you_mean, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hydra._internal.defaults_list import DefaultsList
    from hydra.core.override_parser.types import Override

    from ftc.compose.files import Repository


class Item(msgspec.Struct, frozen=True):
    """One item of a defaults list: the config that contains it, and the group and option (or config) that it names."""

    config: str
    position: Position
    group: str
    option: str
    overrides: bool = False

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
    return _malformed(lines[0], items, repository)


def _malformed(said: str, items: list[Item], repository: Repository) -> Diagnostic:
    """Report a defaults list that Hydra cannot read."""
    if early := re.search(r"Override '(.+?) : .+' is defined before", said):
        item = next((item for item in items if item.overrides and item.group == early[1].partition("@")[0]), None)
        if item is not None:
            return _at(item, f"overrides '{early[1]}' before the item that chooses it", "move it below that item")
    named = re.search(r"[Ii]n(?:valid defaults list in)? '?([\w./-]+?)'?(?:[:,]|$)", said)
    document = repository.documents().get(named[1]) if named else None
    if document and not isinstance(document.data.get("defaults", []), list):
        help_ = "write `defaults: [config, _self_]`"
        return Diagnostic(
            code=CHOICE, message="defaults must be a list", position=document.position(("defaults",)), help=help_
        )
    return _odd_item(repository) or Diagnostic(
        code=CHOICE, message=said, position=document.position(("defaults",)) if document else None
    )


def _odd_item(repository: Repository) -> Diagnostic | None:
    """Report the first item that is neither a config nor one group with one option, or that contains a reference."""
    for _, position, entry in _entries(repository):
        options = list(entry.values()) if isinstance(entry, dict) else [entry]
        message = help_ = ""
        if len(options) != 1:
            message, help_ = "an item chooses several groups", "write one item for each: `- group: option`"
        elif isinstance(options[0], list):
            message, help_ = "a group has one option, not a list", "choose one of them"
        elif "${" in str(options[0]):
            message, help_ = "a choice cannot refer to a key of the spec", "write the option itself"
        elif not isinstance(options[0], str) and not (options[0] is None and isinstance(entry, dict)):
            message, help_ = "is neither a config nor a group with an option", "write `- group: option`"
        if message:
            return Diagnostic(code=CHOICE, message=message, position=position, help=help_)
    return None


def _items(repository: Repository) -> Iterator[Item]:
    for config, position, entry in _entries(repository):
        overrides = isinstance(entry, dict) and any(str(key).startswith("override ") for key in entry)
        for group, option in _named(entry, config.rpartition("/")[0]):
            if option != "_self_":
                yield Item(config, position, group, option, overrides)


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
    if group and not repository.group_exists(group):
        known = repository.get_group_options("", ObjectType.GROUP)
        message, help_ = f"group '{group}' does not exist", did_you_mean(group, known)
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
    named = [item for item in items if item.group == key.partition("@")[0] and not item.overrides]
    if text is None and named:
        # The documents come in the order of loading: the first is the user's, and the first of its items is right.
        item = [item for item in named if item.config == named[0].config][-1]
        return _at(item, message, f"write `- override {key}: {item.option}`")
    return problem(CHOICE, message, text or "", "drop the +")


def _typed(key: str, parsed: Sequence[Override]) -> str | None:
    """Find the override of a key."""
    return next((override.input_line for override in parsed if override.get_key_element() == key), None)


def _at(item: Item, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code=CHOICE, message=message, position=item.position, help=help_)


def compose(
    overrides: Sequence[Override],
    repository: Repository,
    config_name: str,
    keeps_text: Callable[[KeyPath], bool],
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose, and report problems in the files, the defaults lists, the overrides and the references."""
    problems: list[Diagnostic] = []
    defaults = None
    try:
        defaults = defaults_list(repository, config_name, overrides)
        problems.extend(repository.problems())
        return _compose(defaults, repository, keeps_text, problems), tuple(problems)
    except COMPOSITION_ERRORS as error:
        found = tuple(problems) or repository.problems()
        conflict = _conflict(defaults, repository) if defaults and not found else None
        return None, found or (conflict or defaults_problem(error, repository, overrides),)


def _conflict(defaults: DefaultsList, repository: Repository) -> Diagnostic | None:
    """Report the first value that is a list over a mapping, or a mapping over a list, which Hydra cannot merge."""
    merged: dict[str, Any] = {}
    for file, layer in layers(defaults, repository):
        content: Any = file.content()
        for key in reversed(layer.package):
            content = {key: content}
        path = _differs(merged, content)
        if path:
            wanted = "a mapping" if isinstance(_at_path(merged, path), dict) else "a list"
            place = path[len(layer.package) :]
            position = file.document.position(place)
            return Diagnostic(code=VALUE, message=f"must be {wanted}", path=path, position=position)
        _merge(merged, content)
    return None


def _differs(under: Any, over: Any) -> KeyPath:
    """The path of the first value that is a list in one and a mapping in the other."""
    for key, value in over.items():
        kinds = {type(under.get(key)), type(value)}
        if kinds == {list, dict}:
            return (key,)
        if kinds == {dict} and (inner := _differs(under[key], value)):
            return (key, *inner)
    return ()


def _at_path(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value


def _merge(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        else:
            under[key] = deepcopy(value)


def _compose(
    defaults: DefaultsList, repository: Repository, keeps_text: Callable[[KeyPath], bool], problems: list[Diagnostic]
) -> Composed:
    loader = ConfigLoaderImpl(ConfigSearchPathImpl())
    config = loader._compose_config_from_defaults_list(defaults.defaults, repository)  # noqa: SLF001 - see the module
    for override in defaults.config_overrides:
        _apply(override, config, problems)
    unresolved = Composed(
        data={},
        choices=dict(sorted(defaults.overrides.known_choices.items())),
        layers=tuple(layer for _, layer in layers(defaults, repository)),
        overrides=tuple(value_override(override) for override in defaults.config_overrides),
    )
    try:
        measure(OmegaConf.to_container(config, resolve=False))
    except BeyondError as error:
        position = unresolved.position(error.path)
        beyond = Diagnostic(code=TOO_LARGE, message=str(error), path=error.path, position=position, help=_WRITE_IT)
        problems.append(beyond)
        return unresolved
    problems.extend(_nulls_in_texts(config, unresolved))
    data = _resolve(config, unresolved, problems)
    return msgspec.structs.replace(unresolved, data=_references_as_texts(config, data, (), keeps_text))


def _apply(override: Override, config: DictConfig, problems: list[Diagnostic]) -> None:
    try:
        ConfigLoaderImpl._apply_overrides_to_config([override], config)  # noqa: SLF001 - see the module
    except COMPOSITION_ERRORS as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        problems.append(problem(CHOICE, f"cannot be applied: {reason}", override.input_line or ""))


def _resolve(config: DictConfig, unresolved: Composed, problems: list[Diagnostic]) -> dict[str, Any]:
    """Return plain data with every reference replaced; report each reference that cannot be resolved."""
    seen: set[KeyPath] = set()
    while True:
        try:
            data = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
        except InterpolationResolutionError as error:
            path = key_path(error.full_key or "")
            if path in seen:
                return {}
            seen.add(path)
            problems.append(_reference_problem(error, path, unresolved))
            OmegaConf.update(config, error.full_key or "", None)
        else:
            return data if isinstance(data, dict) else {}  # type: ignore[return-value] # the loader accepts only string keys


_WRITE_IT = "write the value itself"
_REFERENCE = re.compile(r"(?<!\\)\$\{([^${}:.][^${}:]*)\}")


def _nulls_in_texts(config: DictConfig, unresolved: Composed) -> Iterator[Diagnostic]:
    """Report references to null inside a longer string, which OmegaConf would write out as `None`."""
    for path, text in _texts(OmegaConf.to_container(config, resolve=False), ()):
        for key in dict.fromkeys(_REFERENCE.findall(text)):
            if (
                _REFERENCE.fullmatch(text) is None
                and OmegaConf.select(config, key, default="", throw_on_resolution_failure=False) is None
            ):
                yield Diagnostic(
                    code=UNRESOLVED,
                    message=f"contains a reference to '{key}', which is null",
                    path=path,
                    position=unresolved.position(path),
                    help=f"set {key}=…",
                )


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _texts(inner, (*path, key))


def _references_as_texts(config: Any, data: Any, path: KeyPath, keeps_text: Callable[[KeyPath], bool]) -> Any:
    """Return the data; a number that comes from a reference becomes a string if the schema wants a string."""
    if not isinstance(config, DictConfig | ListConfig) or not isinstance(data, dict | list):
        return data
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    found = {}
    for key, value in pairs:
        here = (*path, key)
        if OmegaConf.is_interpolation(config, key):
            wanted = isinstance(value, int | float) and keeps_text(here)
            found[key] = str(value) if wanted else value
        else:
            found[key] = _references_as_texts(config._get_node(key), value, here, keeps_text)  # noqa: SLF001 - unresolved
    return found if isinstance(data, dict) else list(found.values())


def _reference_problem(error: InterpolationResolutionError, path: KeyPath, unresolved: Composed) -> Diagnostic:
    named = re.search(r"'([^']+)' not found|Missing mandatory value: (\S+)", str(error))
    if named and named[1]:
        message = f"refers to '{named[1]}', which does not exist"
        help_ = f"set {dotted(path)}=…, or refer to an existing key: `ftc show` prints them"
    elif named:
        message, help_ = f"refers to '{named[2]}', which needs a value", f"set {named[2]}=…"
    else:
        is_cycle = "Recursive" in str(error)
        reason = "refers to itself" if is_cycle else f"cannot be resolved: {str(error).splitlines()[0].lower()}"
        message, help_ = reason, _WRITE_IT
    return Diagnostic(
        code=UNRESOLVED,
        message=message,
        path=path,
        position=unresolved.position(path),
        help=help_,
        follows_from=_absolute(named[1] or named[2]) if named else (),
    )


def _absolute(key: str) -> KeyPath:
    """The path of a key; empty for a relative key, which begins with a dot."""
    return () if key.startswith(".") else key_path(key)
