"""Overrides and conf files to one composed configuration.

Hydra's own loader does the work (its defaults list, its composition, its overrides, read in hydra-core 1.3,
`hydra/_internal`), without Hydra's own configuration, which costs more than all of the rest.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import msgspec
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from ftc.compose import overrides as override_parser
from ftc.compose.defaults import defaults_problem
from ftc.compose.files import Files, Repository
from ftc.compose.overrides import problem
from ftc.compose.references import missing
from ftc.compose.types import Composed, Layer, ValueOverride, key_path
from ftc.diagnostics.codes import CHOICE, UNRESOLVED
from ftc.diagnostics.model import Diagnostic, KeyPath, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hydra.core.override_parser.types import Override

# Hydra and OmegaConf raise built-in errors too where a key or an item is of another kind than they think.
_COMPOSITION_ERRORS = (
    *(HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError, RecursionError),
)


def compose(
    overrides: Sequence[str],
    directories: Sequence[tuple[Path, str]],
    config_name: str = "config",
    keeps_text: Callable[[KeyPath], bool] = lambda _: False,
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose `config_name` with the overrides.

    `directories` are searched in order; each comes with the name that messages give it. `keeps_text` says which keys
    hold a text: an override such as `cluster.volcano=1.10` then means the text, not the number 1.1.
    """
    version.setbase("1.3")
    problems: list[Diagnostic] = []
    repository = Repository([Files(directory, shown, problems) for directory, shown in directories])
    if not repository.config_exists(config_name):
        return None, (_no_primary(config_name, repository),)
    parsed = override_parser.parse(overrides, repository, keeps_text, problems)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a primary config without `_self_` is common, and comes last then
            defaults = create_defaults_list(repository, config_name, parsed, prepend_hydra=False, skip_missing=False)
        composed = _compose(defaults, repository, keeps_text, problems)
    except _COMPOSITION_ERRORS as error:
        return None, (*problems, *(() if problems else (defaults_problem(error, repository, parsed),)))
    return composed, tuple(problems) + tuple(missing(composed.data, (), composed))


def groups(directories: Sequence[tuple[Path, str]]) -> dict[str, tuple[str, ...]]:
    """Every config group and its options, over all directories."""
    repository = Repository([Files(directory, shown, []) for directory, shown in directories])
    names = repository.get_group_options("", ObjectType.GROUP)
    return {name: tuple(repository.get_group_options(name, ObjectType.CONFIG)) for name in names}


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
        layers=tuple(_layers(defaults, repository)),
        overrides=tuple(_value(override) for override in defaults.config_overrides),
    )
    problems.extend(_nulls_in_texts(config, unresolved))
    data = _resolve(config, unresolved, problems)
    return msgspec.structs.replace(unresolved, data=_references_as_texts(config, data, (), keeps_text))


def _value(override: Override) -> ValueOverride:
    return ValueOverride(override.input_line or "", key_path(override.key_or_group), override.value())


def _apply(override: Override, config: DictConfig, problems: list[Diagnostic]) -> None:
    try:
        ConfigLoaderImpl._apply_overrides_to_config([override], config)  # noqa: SLF001 - see the module
    except _COMPOSITION_ERRORS as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        problems.append(problem(CHOICE, f"cannot be applied: {reason}", override.input_line or ""))


def _layers(defaults: DefaultsList, repository: Repository) -> Iterator[Layer]:
    documents = repository.documents()
    for default in defaults.defaults:
        if default.config_path is None:
            continue
        loaded = repository.load_config(default.config_path)
        header = loaded.header["package"] if loaded else None
        package = default.package if default.package is not None else header
        parts = tuple(package.split(".")) if package and package != "_global_" else ()
        yield Layer(documents[default.config_path], parts)


def _resolve(config: DictConfig, unresolved: Composed, problems: list[Diagnostic]) -> dict[str, Any]:
    """Plain data with every reference replaced; each reference that leads nowhere is reported."""
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
            return data if isinstance(data, dict) else {}  # type: ignore[return-value] # the loader takes text keys only


_REFERENCE = re.compile(r"(?<!\\)\$\{([^${}:.][^${}:]*)\}")


def _nulls_in_texts(config: DictConfig, unresolved: Composed) -> Iterator[Diagnostic]:
    """References to null inside a longer text, which OmegaConf would write out as `None`."""
    for path, text in _texts(OmegaConf.to_container(config, resolve=False), ()):
        for key in _REFERENCE.findall(text):
            if (
                _REFERENCE.fullmatch(text) is None
                and OmegaConf.select(config, key, default="", throw_on_resolution_failure=False) is None
            ):
                yield Diagnostic(
                    code=UNRESOLVED,
                    message=f"has '{key}' in it, which is null",
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
    """The data, with a number as a text where a reference brought it and the schema wants a text."""
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
        message, help_ = f"refers to '{named[1]}', which does not exist", "see `ftc show` for the keys that there are"
    elif named:
        message, help_ = f"refers to '{named[2]}', which has no value yet", f"set {named[2]}=…"
    else:
        circle = "Recursive" in str(error)
        reason = "refers to itself" if circle else f"leads nowhere: {str(error).splitlines()[0].lower()}"
        message, help_ = reason, "write the value itself"
    return Diagnostic(
        code=UNRESOLVED,
        message=message,
        path=path,
        position=unresolved.position(path),
        help=help_,
        follows_from=_absolute(named[1] or named[2]) if named else (),
    )


def _absolute(key: str) -> KeyPath:
    """The path of a key; none for one that is counted from where it stands."""
    return () if key.startswith(".") else key_path(key)


def _no_primary(name: str, repository: Repository) -> Diagnostic:
    known = repository.get_group_options("", ObjectType.CONFIG)
    message = f"no primary config '{name}' in {', '.join(s.shown for s in repository.sources)}"
    help_ = f"{did_you_mean(name, known)}; --config-dir names the directory of your own"
    return Diagnostic(code=CHOICE, message=message, help=help_)
