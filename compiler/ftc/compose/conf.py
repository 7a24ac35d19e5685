"""Conf directories, and a cache of what has been read from them."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from hydra._internal import defaults_list as hydras
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ftc.compose import overrides, plain
from ftc.compose.files import Files, PlainRepository, Repository
from ftc.compose.types import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hydra.core.override_parser.types import Override

    from ftc.compose.files import File
    from ftc.diagnostics.model import KeyPath

# Hydra and OmegaConf also raise built-in errors if a key or an item has an unexpected type.
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    TypeError,
    AssertionError,
    RecursionError,
)


class Combination(msgspec.Struct, frozen=True):
    """The result of composing a primary config with some options, before any key is set."""

    data: dict[str, Any]
    choices: dict[str, str | None]
    layers: tuple[Layer, ...]


class Conf:
    """Conf directories, searched in order, each with the name that messages use for it.

    Files, overrides and combinations of choices are cached, so the files must not change while a Conf is in use.
    `keeps_text` reports whether a key holds a string: an override such as `cluster.volcano=1.10` then means the string,
    not the number 1.1.
    """

    def __init__(
        self, directories: Sequence[tuple[Path, str]], keeps_text: Callable[[KeyPath], bool] = lambda _: False
    ) -> None:
        self.sources = [Files(directory, shown) for directory, shown in directories]
        self.keeps_text = keeps_text
        self._parsed: dict[str, overrides.Parsed] = {}
        self._combinations: dict[tuple[str | None, ...], Combination | None] = {}
        self._values: dict[tuple[str, str], dict[str, Any]] = {}

    def parsed(self, text: str) -> overrides.Parsed:
        """Parse an override."""
        if text not in self._parsed:
            self._parsed[text] = overrides.parse(text, Repository(self.sources), self.keeps_text)
        return self._parsed[text]

    def combination(self, config_name: str, choices: Sequence[Override]) -> Combination | None:
        """Compose a combination of choices; None if it needs Hydra."""
        key = (config_name, *(choice.input_line for choice in choices))
        if key not in self._combinations:
            self._combinations[key] = self._combined(config_name, choices)
        return self._combinations[key]

    def values(self, group: str, key: str) -> dict[str, Any]:
        """The value of a key in each option of a group that has the key."""
        if (group, key) not in self._values:
            self._values[group, key] = self._listed(group, key)
        return self._values[group, key]

    def _listed(self, group: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for source in [one for one in self.sources if one.is_group(group)]:
            for option in source.list(group, ObjectType.CONFIG):
                data = source.file(f"{group}/{option}").data
                if key in data:
                    found.setdefault(option, data[key])
        return found

    def _combined(self, config_name: str, choices: Sequence[Override]) -> Combination | None:
        repository = PlainRepository(self.sources)
        data: dict[str, Any] = {}
        try:
            with _no_references_in_defaults():
                defaults = defaults_list(repository, config_name, choices)
            if defaults.config_overrides:  # a deleted key
                return None
            found = tuple(layers(defaults, repository))
            for file, layer in found:
                data = plain.overlay(data, plain.embedded(file.content(), layer.package))
        except (plain.UncertainError, *COMPOSITION_ERRORS):
            return None
        known = dict(sorted(defaults.overrides.known_choices.items()))
        return Combination(data, known, tuple(layer for _, layer in found))


def defaults_list(repository: Repository, config_name: str, choices: Sequence[Override]) -> hydras.DefaultsList:
    """Return the files to merge, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a primary config without `_self_` is common; it is then merged last
        return hydras.create_defaults_list(
            repository, config_name, list(choices), prepend_hydra=False, skip_missing=False
        )


@contextmanager
def _no_references_in_defaults() -> Iterator[None]:
    """Skip the map of all choices that Hydra builds for each file to resolve references in defaults lists.

    Building it takes four fifths of the time of a defaults list.
    """
    original = hydras._create_interpolation_map  # noqa: SLF001 - not configurable in Hydra
    hydras._create_interpolation_map = lambda *_: None  # type: ignore[assignment] # noqa: SLF001 - as above
    try:
        yield
    finally:
        hydras._create_interpolation_map = original  # noqa: SLF001 - as above


def layers(defaults: hydras.DefaultsList, repository: Repository) -> Iterator[tuple[File, Layer]]:
    """Yield each file to merge, and the package of its keys."""
    chosen = {f"{key.partition('@')[0]}/{option}" for key, option in defaults.overrides.known_choices.items()}
    for default in defaults.defaults:
        if default.config_path is None:
            continue
        file = repository.files[default.config_path]
        package = default.package if default.package is not None else file.header["package"]
        parts = tuple(package.split(".")) if package and package != "_global_" else ()
        yield file, Layer(file.document, parts, bool(parts) or default.config_path in chosen)
