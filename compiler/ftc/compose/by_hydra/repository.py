"""Conf directories in the form that Hydra's loader expects."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from hydra._internal import defaults_list as hydras
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftc.compose.types import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra.core.override_parser.types import Override

    from ftc import source
    from ftc.compose.conf import Conf
    from ftc.compose.files import File
    from ftc.diagnostics.model import Diagnostic

# Hydra and OmegaConf also raise built-in errors if a key or an item has an unexpected type.
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    TypeError,
    AssertionError,
    RecursionError,
)


class Repository(ConfigRepository):
    """Hydra's repository over our directories, for one composition.

    `files` holds the files used so far, by config path.
    """

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.sources: list[Any] = list(conf.sources)  # for messages
        self.files: dict[str, File] = {}
        self._loaded: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self._loaded:
            self._loaded[config_path] = self._load(config_path)
        return self._loaded[config_path]

    def _load(self, config_path: str) -> ConfigResult | None:
        file = self.conf.file(config_path)
        if file is None:
            return None
        self.files[config_path] = file
        config = OmegaConf.create(file.data)
        items = self._create_defaults_list(config_path, self._extract_defaults_list(config_path, config))
        header = {"package": file.package}
        return ConfigResult("ftc", file.document.source, config, header, items, is_schema_source=True)

    def group_exists(self, config_path: str) -> bool:
        return self.conf.has_group(config_path)

    def config_exists(self, config_path: str) -> bool:
        return self.conf.has_config(config_path)

    def get_group_options(self, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG) -> list[str]:
        return self.conf.groups() if results_filter is ObjectType.GROUP else self.conf.options(group_name)

    def documents(self) -> dict[str, source.Document]:
        """The files as written, by config path."""
        return {path: file.document for path, file in self.files.items()}

    def problems(self) -> tuple[Diagnostic, ...]:
        """Report problems in the files."""
        return tuple(problem for file in self.files.values() for problem in file.problems)


def defaults_list(repository: Repository, config_name: str, choices: Sequence[Override]) -> hydras.DefaultsList:
    """Return the files to merge, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a primary config without `_self_` is common; it is then merged last
        return hydras.create_defaults_list(
            repository, config_name, list(choices), prepend_hydra=False, skip_missing=False
        )


def layers(defaults: hydras.DefaultsList, repository: Repository) -> Iterator[tuple[File, Layer]]:
    """Yield each file to merge, and the package of its keys."""
    chosen = {f"{key.partition('@')[0]}/{option}" for key, option in defaults.overrides.known_choices.items()}
    for default in defaults.defaults:
        if default.config_path is None:
            continue
        file = repository.files[default.config_path]
        package = default.package if default.package is not None else file.package
        parts = tuple(package.split(".")) if package and package != "_global_" else ()
        yield file, Layer(file.document, parts, bool(parts) or default.config_path in chosen)
