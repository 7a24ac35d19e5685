"""Overrides and conf files to one composed configuration; the only module that knows Hydra and OmegaConf.

Hydra's own loader does the work (its defaults list, its composition, its overrides, read in hydra-core 1.3,
`hydra/_internal`), without Hydra's own configuration, which costs more than all of the rest.
"""

from __future__ import annotations


import re
from typing import TYPE_CHECKING, Any

import msgspec
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse as parse_interpolation

from ftc import source
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MISSING = "???"
_COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, ValueError, AssertionError, RecursionError)


class Layer(msgspec.Struct, frozen=True):
    """One file of the composition and the package (key path) that its keys stand under."""

    document: source.Document
    package: tuple[str, ...]


class ValueOverride(msgspec.Struct, frozen=True):
    """One `key.path=value` of the command line."""

    text: str
    path: KeyPath
    value: Any


class Composed(msgspec.Struct, frozen=True):
    """The composed data, the option of each group, and what is needed to say where a key came from."""

    data: dict[str, Any]
    choices: dict[str, str | None]
    layers: tuple[Layer, ...] = ()
    overrides: tuple[ValueOverride, ...] = ()

    def position(self, path: KeyPath) -> Position | None:
        """Where the key at `path` got its value: the file or the override that set it last (or its nearest parent)."""
        best, found = 0, None
        for layer in self.layers:
            inner = path[len(layer.package) :]
            reached = len(layer.package) + layer.document.depth(inner)
            if path[: len(layer.package)] == layer.package and reached >= max(best, 1):
                best, found = reached, layer.document.position(inner)
        for override in self.overrides:
            reached = len(override.path) + _depth(override.value, path[len(override.path) :])
            if path[: len(override.path)] == override.path and reached >= best:
                best, found = reached, Position(override.text)
        return found


def _depth(value: Any, path: KeyPath) -> int:
    """How many steps of `path` a plain value has."""
    steps = 0
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            break
        steps += 1
    return steps


class _Files(ConfigSource):
    """One conf directory; each file is read and parsed once."""

    def __init__(self, directory: Path, shown: str, problems: list[Diagnostic]) -> None:
        self.provider, self.path = "ftc", str(directory)
        self.directory, self.shown, self.problems = directory, shown, problems
        self.documents: dict[str, source.Document] = {}

    @staticmethod
    def scheme() -> str:
        return "file"

    def available(self) -> bool:
        return self.directory.is_dir()

    def is_group(self, config_path: str) -> bool:
        return ".." not in config_path.split("/") and (self.directory / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return ".." not in config_path.split("/") and (self.directory / f"{config_path}.yaml").is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        entries = sorted((self.directory / config_path).iterdir())
        groups = [e.name for e in entries if e.is_dir() and results_filter is not ObjectType.CONFIG]
        return groups + [e.stem for e in entries if e.suffix == ".yaml" and results_filter is not ObjectType.GROUP]

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.directory / f"{config_path}.yaml"
        document, problems = source.read(file, f"{self.shown}/{config_path}.yaml")
        self.problems.extend(problems)
        document = document or source.Document(str(file), "", {}, None)
        self.problems.extend(_resolver_problems(document.data, (), document.position))
        self.documents[config_path] = document
        header = ConfigSource._get_header_dict(document.text[:512])  # noqa: SLF001 - Hydra has no public name for it
        config = OmegaConf.create(document.data)
        return ConfigResult(provider="ftc", path=str(file), config=config, header=header)


class _Repository(ConfigRepository):
    """Hydra's repository over our directories; the first directory that has a file wins."""

    def __init__(self, sources: list[_Files]) -> None:
        self.sources: list[Any] = list(sources)
        self.loaded: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self.loaded:
            self.loaded[config_path] = result = super().load_config(config_path)
            if result is not None:
                result.is_schema_source = True  # there are no structured configs to look it up in
        return self.loaded[config_path]

    def document(self, config_path: str) -> source.Document:
        return next(s.documents[config_path] for s in self.sources if config_path in s.documents)


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
    repository = _Repository([_Files(directory, shown, problems) for directory, shown in directories])
    if not repository.config_exists(config_name):
        return None, (_no_primary(config_name, repository),)
    parsed = _parse(overrides, repository, keeps_text, problems)
    try:
        defaults = create_defaults_list(repository, config_name, parsed, prepend_hydra=False, skip_missing=False)
        composed = _compose(defaults, repository, problems)
    except _COMPOSITION_ERRORS as error:
        return None, (*problems, *(() if problems else (_hydra_problem(error, repository),)))
    values = tuple(ValueOverride(o.input_line or "", _path(o.key_or_group), o.value()) for o in defaults.config_overrides)
    composed = msgspec.structs.replace(composed, overrides=values)
    return composed, tuple(problems) + tuple(_missing(composed.data, (), composed))


def groups(directories: Sequence[tuple[Path, str]]) -> dict[str, tuple[str, ...]]:
    """Every config group and its options, over all directories."""
    repository = _Repository([_Files(directory, shown, []) for directory, shown in directories])
    names = repository.get_group_options("", ObjectType.GROUP)
    return {name: tuple(repository.get_group_options(name, ObjectType.CONFIG)) for name in names}


def _parse(
    overrides: Sequence[str],
    repository: _Repository,
    keeps_text: Callable[[KeyPath], bool],
    problems: list[Diagnostic],
) -> list[Override]:
    """The overrides that can be applied; the others are reported."""
    parser = OverridesParser.create()
    del parser.functions.functions["shuffle"]  # the same overrides give the same bytes
    parsed = []
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            problems.append(_problem("FTC001", f"is not an override: {error}", text, "write group=option or key=value"))
            continue
        found = _override_problem(override, text, repository)
        if found:
            problems.append(found)
        else:
            parsed.append(_as_value(override, text, keeps_text) if _is_value(override, repository) else override)
    return parsed


def _is_value(override: Override, repository: _Repository) -> bool:
    return not override.is_delete() and (
        isinstance(override.value(), dict) or not repository.group_exists(override.key_or_group)
    )


def _override_problem(override: Override, text: str, repository: _Repository) -> Diagnostic | None:
    if override.is_sweep_override():
        return _problem("FTC003", "gives several values, and one job has one", text, "quote a comma: key='a,b'")
    found = next(_resolver_problems(override.value(), (), lambda _: Position(text)), None)
    if found or _is_value(override, repository) or not repository.group_exists(override.key_or_group):
        return found
    group, value = override.key_or_group, override.value()
    if override.is_add() or override.is_force_add():
        return _problem("FTC003", f"'{group}' is a group that is there already", text, f"write {group}={value}")
    options = repository.get_group_options(group, ObjectType.CONFIG)
    unknown = [v for v in (value if isinstance(value, list) else [value]) if v not in options]
    if unknown and not override.is_delete():
        return _problem("FTC003", f"{group} has no option '{unknown[0]}'", text, did_you_mean(str(unknown[0]), options))
    return None


def _as_value(override: Override, text: str, keeps_text: Callable[[KeyPath], bool]) -> Override:
    """A value override as `++key=value`: the schema alone says which keys there are."""
    override.type = OverrideType.FORCE_ADD
    path = _path(override.key_or_group)
    written = text.partition("=")[2]
    if keeps_text(path) and isinstance(override.value(), int | float):
        override._value = written.strip()  # noqa: SLF001 - Hydra offers no setter
    elif isinstance(override.value(), list) and keeps_text((*path, 0)):
        override._value = [_as_written(v, written) for v in override.value()]  # type: ignore[union-attr] # noqa: SLF001
    return override


def _as_written(value: object, written: str) -> Any:
    """A number inside a list as the text that the user wrote, where that can be told."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if isinstance(value, int | float) and text in written else value


def _compose(defaults: DefaultsList, repository: _Repository, problems: list[Diagnostic]) -> Composed:
    loader = ConfigLoaderImpl(ConfigSearchPathImpl())
    config = loader._compose_config_from_defaults_list(defaults.defaults, repository)  # noqa: SLF001 - see the module
    for override in defaults.config_overrides:
        _apply(override, config, problems)
    layers = tuple(_layers(defaults, repository))
    unresolved = Composed(data={}, choices=dict(sorted(defaults.overrides.known_choices.items())), layers=layers)
    return msgspec.structs.replace(unresolved, data=_resolve(config, unresolved, problems))


def _apply(override: Override, config: DictConfig, problems: list[Diagnostic]) -> None:
    try:
        ConfigLoaderImpl._apply_overrides_to_config([override], config)  # noqa: SLF001 - see the module
    except _COMPOSITION_ERRORS as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        problems.append(_problem("FTC003", f"cannot be applied: {reason}", override.input_line or ""))


def _layers(defaults: DefaultsList, repository: _Repository) -> Iterator[Layer]:
    for default in defaults.defaults:
        if default.config_path is None:
            continue
        loaded = repository.load_config(default.config_path)
        header = loaded.header["package"] if loaded else None
        package = default.package if default.package is not None else header
        parts = tuple(package.split(".")) if package and package != "_global_" else ()
        yield Layer(repository.document(default.config_path), parts)


def _resolve(config: DictConfig, unresolved: Composed, problems: list[Diagnostic]) -> dict[str, Any]:
    """Plain data with every reference replaced; each reference that leads nowhere is reported."""
    while True:
        try:
            data = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
        except InterpolationResolutionError as error:
            path = _path(error.full_key or "")
            message = str(error).splitlines()[0]
            problems.append(
                Diagnostic(code="FTC004", message=message, path=path, position=unresolved.position(path))
            )
            OmegaConf.update(config, error.full_key or "", None)
        else:
            return data if isinstance(data, dict) else {}  # type: ignore[return-value] # the loader takes text keys only


def _resolver_problems(value: object, path: KeyPath, at: Callable[[KeyPath], Position]) -> Iterator[Diagnostic]:
    """Every `${name:…}`: it could read the environment or the clock, and the same input must give the same bytes."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _resolver_problems(inner, (*path, str(key)), at)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _resolver_problems(inner, (*path, index), at)
    elif isinstance(value, str) and "${" in value and _calls_resolver(value):
        yield Diagnostic(
            code="FTC004",
            message=f"'{value}' calls a resolver, and only references to keys are allowed",
            path=path,
            position=at(path),
            help="write ${key.path}, or the value itself; a text with ${ in it is written \\${",
        )


def _calls_resolver(text: str) -> bool:
    try:
        return _has_resolver(parse_interpolation(text))
    except OmegaConfBaseException:
        return True


def _has_resolver(tree: Any) -> bool:
    if isinstance(tree, OmegaConfGrammarParser.InterpolationResolverContext):
        return True
    return any(_has_resolver(child) for child in getattr(tree, "children", None) or ())


def _missing(value: object, path: KeyPath, composed: Composed) -> Iterator[Diagnostic]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _missing(inner, (*path, key), composed)
    elif value == MISSING:
        yield Diagnostic(
            code="FTC005",
            message="has no value yet",
            path=path,
            position=composed.position(path),
            help=f"set {'.'.join(map(str, path))}=…",
        )


def _path(key: str) -> KeyPath:
    parts = key.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts if part)


def _no_primary(name: str, repository: _Repository) -> Diagnostic:
    known = repository.get_group_options("", ObjectType.CONFIG)
    message = f"no primary config '{name}' in {', '.join(s.shown for s in repository.sources)}"
    return Diagnostic(code="FTC003", message=message, help=did_you_mean(name, known))


def _problem(code: str, message: str, override: str, help_: str = "") -> Diagnostic:
    return Diagnostic(code=code, message=message, position=Position(override), help=help_)


def _hydra_problem(error: Exception, repository: _Repository) -> Diagnostic:
    """What Hydra says of a defaults list, at the file that it names."""
    if isinstance(error, RecursionError):
        return Diagnostic(code="FTC003", message="a defaults list leads back to itself", help="look at the last edit")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = re.match(r"In '([^']+)'", lines[0]) if lines else None
    known = [s.documents[named[1]] for s in repository.sources if named and named[1] in s.documents]
    position = known[0].position(("defaults",)) if known else None
    return Diagnostic(code="FTC003", message=lines[0] if lines else type(error).__name__, position=position)
