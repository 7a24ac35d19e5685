"""Composition by Hydra, for configurations that are not plain and for error messages.

It calls the loader of hydra-core 1.3 (`hydra/_internal`) without Hydra's own configuration, which costs more than all
of the rest.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import msgspec
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from ftc.compose.by_hydra.defaults import COMPOSITION_ERRORS, Repository, defaults_list, layers
from ftc.compose.by_hydra.overrides import parsed, problem
from ftc.compose.references import BeyondError, measure
from ftc.compose.types import Composed, key_path, value_override
from ftc.diagnostics.codes import CHOICE, TOO_LARGE, UNRESOLVED, VALUE
from ftc.diagnostics.model import Diagnostic, KeyPath, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hydra._internal.defaults_list import DefaultsList
    from hydra.core.override_parser.types import Override

    from ftc.compose.files import Conf


def compose(overrides: Sequence[str], conf: Conf, config_name: str) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose, and report problems in the overrides, the files, the defaults lists and the references."""
    version.setbase("1.3")
    read = [parsed(text, conf) for text in overrides]
    problems = tuple(one.problem for one in read if one.problem)
    composed, found = _composed([override for one in read for override in one.overrides], conf, config_name)
    return composed, (*problems, *found)


def _composed(
    overrides: Sequence[Override], conf: Conf, config_name: str
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose with parsed overrides; Hydra raises at the first problem that it finds."""
    repository = Repository(conf)
    problems: list[Diagnostic] = []
    defaults = None
    try:
        defaults = defaults_list(repository, config_name, overrides)
        problems.extend(repository.problems())
        return _compose(defaults, repository, conf.keeps_text, problems), tuple(problems)
    except COMPOSITION_ERRORS as error:
        from ftc.compose.by_hydra.defaults import defaults_problem  # noqa: PLC0415 - for a mistake only

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
        key, text, cause = override.key_or_group, override.input_line or "", error.__cause__ or error
        if override.is_delete():
            value = text.partition("=")[2]
            what = f" if it is {value}, but it is not" if value else ", but no config sets it"
            problems.append(problem(CHOICE, f"deletes '{key}'{what}", text, "leave it out"))
        elif isinstance(cause, IndexError | ValueError):
            message = f"'{key}' is not an item of its list"
            problems.append(problem(CHOICE, message, text, f"write the whole list: '{key.rpartition('.')[0]}=[a,b]'"))
        else:
            problems.append(problem(CHOICE, f"cannot be applied: {str(cause).splitlines()[0]}", text))


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
