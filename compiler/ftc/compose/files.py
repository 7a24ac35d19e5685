"""Conf directories and their files: the data of each file, and its defaults list; each file is read once."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import source
from ftc.compose.plain.values import Item, is_plain, read
from ftc.compose.references import resolver_problems, without_resolvers
from ftc.conf_tree import groups_in, options_in
from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftc.compose.types import Choice, Combination, ValueOverride
    from ftc.diagnostics.model import KeyPath


class File(msgspec.Struct, frozen=True):
    """A file as it was read; `data` is the input of composition, without values that call a resolver.

    `items` is the defaults list; None if only Hydra can compose the file.
    """

    document: source.Document
    data: dict[str, Any]
    package: str | None = None
    problems: tuple[Diagnostic, ...] = ()
    items: tuple[Item, ...] | None = None

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
        return File(document, {}, problems=(*problems, odd))
    called = tuple(resolver_problems(document.data, (), document.position))
    data = without_resolvers(document.data) if called else document.data
    usual = _USUAL_HEADER.match(document.text[:_HEADER])
    if usual and is_plain(data):
        found = problems + called
        items = None if found or "hydra" in data else read(data)
        return File(document, data, usual["package"], found, items)
    package, wrong = _read_by_hydra(document.text, data)
    if wrong:
        message = f"is not a valid configuration: {wrong}"
        odd = Diagnostic(code=UNREADABLE, message=message, position=document.position(()))
        return File(document, {}, problems=(*problems, *called, odd))
    return File(document, data, package, problems + called)


# Hydra reads lines `# @key value` at the beginning of a file; a package is the only key that it knows.
_HEADER = 512
_USUAL_HEADER = re.compile(r"(?:# @package (?P<package>[\w.-]{1,200})\n)?(?!\s*#\s*@)", re.ASCII)


def _read_by_hydra(text: str, data: dict[str, Any]) -> tuple[str | None, str]:
    """The package in the header of a file, and why Hydra cannot compose the file."""
    from hydra.plugins.config_source import ConfigSource  # noqa: PLC0415 - for an unusual file only
    from omegaconf import OmegaConf  # noqa: PLC0415 - the same
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - the same

    try:
        header = ConfigSource._get_header_dict(text[:_HEADER])  # noqa: SLF001 - private in Hydra
        OmegaConf.create(data)
    except (OmegaConfBaseException, ValueError) as error:
        return None, str(error).splitlines()[0]
    return header["package"], ""


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


class Files:
    """One conf directory; each file is read and parsed once."""

    def __init__(self, directory: Path, shown: str) -> None:
        self.directory, self.shown = directory, shown
        self._read: dict[str, File] = {}

    def is_group(self, path: str) -> bool:
        """Whether the directory has a group."""
        return _is_name(path) and (self.directory / path).is_dir()

    def is_config(self, config_path: str) -> bool:
        """Whether the directory has a file."""
        return _is_name(config_path) and (self.directory / f"{config_path}.yaml").is_file()

    def options(self, group: str) -> list[str]:
        """The options of a group; of the group with an empty name, the primary configs."""
        return options_in(self.directory / group) if self.is_group(group) else []

    def groups(self) -> list[str]:
        """The groups at the top."""
        return groups_in(self.directory)

    def file(self, config_path: str) -> File:
        """Read a file."""
        if config_path not in self._read:
            path = self.directory / f"{config_path}.yaml"
            self._read[config_path] = _read(path, f"{self.shown}/{config_path}.yaml")
        return self._read[config_path]


def in_own_conf(config_path: str) -> bool:
    """Whether ./conf, which the command line searches if `-c` is given, has a config."""
    return Files(Path("conf"), "conf").is_config(config_path)


def own_config(file: str) -> str:
    """The words that choose the user's config in a file; `-c` alone searches ./conf."""
    place = PurePosixPath(file)
    name = re.sub(r"\.ya?ml$", "", place.name)
    return f"-c {name}" if str(place.parent) == "." and in_own_conf(name) else f"--config-dir {place.parent} -c {name}"


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
        self.parsed_by_hydra: dict[str, Any] = {}
        self.read_plainly: dict[str, Choice | ValueOverride | None] = {}
        self.combinations: dict[tuple[str | Choice, ...], Combination | None] = {}
        self._values: dict[tuple[str, str], dict[str, Any]] = {}

    def file(self, config_path: str) -> File | None:
        """Read a file from the first directory that has it."""
        return next((one.file(config_path) for one in self.sources if one.is_config(config_path)), None)

    def has_config(self, config_path: str) -> bool:
        """Whether a directory has the file."""
        return any(one.is_config(config_path) for one in self.sources)

    def has_group(self, path: str) -> bool:
        """Whether a directory has the group."""
        return any(one.is_group(path) for one in self.sources)

    def options(self, group: str) -> list[str]:
        """The options of a group in all directories; of the group with an empty name, the primary configs."""
        return sorted({option for one in self.sources for option in one.options(group)})

    def groups(self) -> list[str]:
        """The groups of all directories."""
        return sorted({group for one in self.sources for group in one.groups()})

    def values(self, group: str, key: str) -> dict[str, Any]:
        """The value of a key in each option of a group that has the key."""
        if (group, key) not in self._values:
            self._values[group, key] = self._listed(group, key)
        return self._values[group, key]

    def _listed(self, group: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for own in self.sources:
            for option in own.options(group):
                data = own.file(f"{group}/{option}").data
                if key in data:
                    found.setdefault(option, data[key])
        return found
