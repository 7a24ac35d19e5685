"""Conf directories in the form that Hydra's loader expects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftc import source
from ftc.compose.plain import UncertainError, is_plain
from ftc.compose.references import resolver_problems, without_resolvers
from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position

if TYPE_CHECKING:
    from collections.abc import Sequence


class File(msgspec.Struct, frozen=True):
    """A file as it was read; `data` is the input of composition, without values that call a resolver."""

    document: source.Document
    data: dict[str, Any]
    header: dict[str, str | None]
    problems: tuple[Diagnostic, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the file can be composed without OmegaConf, and its defaults list depends on no other choice."""
        references = "${" in str(self.data.get("defaults"))
        return not self.problems and not references and "hydra" not in self.data and is_plain(self.data)

    def content(self) -> dict[str, Any]:
        """The data without the defaults list."""
        return {key: value for key, value in self.data.items() if key != "defaults"}


def _read(file: Path, shown: str) -> File:
    document, problems = source.read(file, shown)
    document = document or source.Document(str(file), "", {}, None)
    if directive := _wrong_package(document.text):
        odd = Diagnostic(
            code=UNREADABLE,
            message=f"'{directive}' is not a package",
            position=Position(shown, 1, 1),
            help="write `# @package _global_`, a key path like `# @package model.source`, or remove the line",
        )
        return File(document, {}, {"package": None}, (*problems, odd))
    called = tuple(resolver_problems(document.data, (), document.position))
    data = without_resolvers(document.data) if called else document.data
    try:
        header = ConfigSource._get_header_dict(document.text[:512])  # noqa: SLF001 - private in Hydra
        if not is_plain(data):
            OmegaConf.create(data)
    except (OmegaConfBaseException, ValueError) as error:
        message = f"is not a valid configuration: {str(error).splitlines()[0]}"
        odd = Diagnostic(code=UNREADABLE, message=message, position=document.position(()))
        return File(document, {}, {"package": None}, (*problems, *called, odd))
    return File(document, data, header, problems + called)


_PACKAGE = re.compile(r"#\s*@package[ \t:]+(.*)")
_KEYS = re.compile(r"_(?:global|group|here|name)_(?:\.[\w-]+)*|[A-Za-z][\w-]*(?:\.[\w-]+)*")


def _wrong_package(text: str) -> str:
    """The package of a file's first line, if it is not a path of keys."""
    found = _PACKAGE.match(text)
    return found[1].strip() if found and not _KEYS.fullmatch(found[1].strip()) else ""


# Below NAME_MAX and PATH_MAX: the system reports an error for a longer name.
_LONGEST_NAME = 250
_LONGEST_PATH = 1000


def _is_name(config_path: str) -> bool:
    """Whether a file in a directory can have this name."""
    parts = config_path.encode("utf-8", "surrogatepass").split(b"/")
    return b".." not in parts and max(map(len, parts)) <= _LONGEST_NAME and len(config_path) <= _LONGEST_PATH


class Files(ConfigSource):
    """One conf directory; each file is read and parsed once."""

    def __init__(self, directory: Path, shown: str) -> None:
        self.provider, self.path = "ftc", str(directory)
        self.directory, self.shown = directory, shown
        self._read: dict[str, File] = {}
        self.plain: dict[str, ConfigResult] = {}

    @staticmethod
    def scheme() -> str:
        return "file"

    def available(self) -> bool:
        return self.directory.is_dir()

    def is_group(self, config_path: str) -> bool:
        return _is_name(config_path) and (self.directory / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return _is_name(config_path) and (self.directory / f"{config_path}.yaml").is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        entries = sorted(e for e in (self.directory / config_path).iterdir() if e.name[0] not in "._")
        groups = [e.name for e in entries if any(e.glob("*.yaml")) and results_filter is not ObjectType.CONFIG]
        return groups + [
            e.stem for e in entries if e.suffix == ".yaml" and e.is_file() and results_filter != ObjectType.GROUP
        ]

    def file(self, config_path: str) -> File:
        """Read a file."""
        if config_path not in self._read:
            path = self.directory / f"{config_path}.yaml"
            self._read[config_path] = _read(path, f"{self.shown}/{config_path}.yaml")
        return self._read[config_path]

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file(config_path)
        return ConfigResult("ftc", str(file.document.source), OmegaConf.create(file.data), dict(file.header))


def in_own_conf(config_path: str) -> bool:
    """Whether ./conf, which the command line searches if `-c` is given, has a config."""
    return Files(Path("conf"), "conf").is_config(config_path)


class Repository(ConfigRepository):
    """Hydra's repository over our directories, for one composition; the first directory that has a file wins.

    `files` holds the files used so far, by config path.
    """

    def __init__(self, sources: Sequence[Files]) -> None:
        self.sources: list[Any] = list(sources)  # Hydra types them as its own
        self.files: dict[str, File] = {}
        self._loaded: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self._loaded:
            found: Any = self._find_object_source(config_path, ObjectType.CONFIG)
            if found is not None:
                self.files[config_path] = found.file(config_path)
            self._loaded[config_path] = self._load(config_path, found)
        return self._loaded[config_path]

    def _load(self, config_path: str, _: Files | None) -> ConfigResult | None:
        result = super().load_config(config_path)
        if result is not None:
            result.is_schema_source = True  # structured configs are not used
        return result

    def documents(self) -> dict[str, source.Document]:
        """The files as written, by config path."""
        return {path: file.document for path, file in self.files.items()}

    def problems(self) -> tuple[Diagnostic, ...]:
        """Report problems in the files."""
        return tuple(problem for file in self.files.values() for problem in file.problems)


class PlainRepository(Repository):
    """A repository of defaults lists only, from files that can be composed without OmegaConf.

    Hydra copies the lists before it changes them, so each list is built once for all compositions.
    """

    def _load(self, config_path: str, found: Files | None) -> ConfigResult | None:
        if found is None:
            return None
        if config_path not in found.plain:
            found.plain[config_path] = self._listed(config_path)
        return found.plain[config_path]

    def _listed(self, config_path: str) -> ConfigResult:
        file = self.files[config_path]
        if not file.is_plain:
            raise UncertainError
        config = OmegaConf.create({"defaults": file.data.get("defaults", [])})
        listed = self._create_defaults_list(config_path, self._extract_defaults_list(config_path, config))
        return ConfigResult("ftc", file.document.source, config, dict(file.header), listed)
