"""Conf directories: which are searched, and their groups and options.

`ftc list` reads no more than this, so it imports neither YAML nor msgspec.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftc.resources import SHIPPED, directory

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIX = ".yaml"


def search_path(config_dirs: tuple[Path, ...]) -> list[tuple[Path, str]]:
    """The conf directories in order of precedence, each once, with the name that messages use for it."""
    paths = [*((path, _shown(path)) for path in config_dirs), (directory("conf"), shipped_name())]
    found: dict[str, tuple[Path, str]] = {}
    for path, shown in paths:
        found.setdefault(os.path.realpath(path), (path, shown))
    return list(found.values())


def shipped_name() -> str:
    """The shipped conf as a relative path in a checkout, otherwise without the place of the installation."""
    shown = _shown(directory("conf"))
    return shown if not Path(shown).is_absolute() else f"{SHIPPED}conf"


def _shown(path: Path) -> str:
    if not path.is_absolute():
        return str(path)
    with suppress(FileNotFoundError, PermissionError):  # the working directory may be gone or unreadable
        return str(path.relative_to(here)) if path.is_relative_to(here := Path.cwd()) else str(path)
    return str(path)


def groups(directories: Sequence[tuple[Path, str]]) -> dict[str, tuple[str, ...]]:
    """Every config group and its options, over all directories."""
    places = [conf for conf, _ in directories]
    names = sorted({name for conf in places for name in groups_in(conf)})
    return {name: tuple(sorted({one for conf in places for one in options_in(conf / name)})) for name in names}


def groups_in(conf: Path) -> list[str]:
    """The directories with an option; one that cannot be read has none."""
    found = []
    for name in _names(conf):
        with suppress(PermissionError):
            found += [name] if options_in(conf / name) else []
    return found


def options_in(group: Path) -> list[str]:
    """The options of a group, or the primary configs of a conf directory."""
    files = [name for name in _names(group) if name.endswith(_SUFFIX) and (group / name).is_file()]
    return [name.removesuffix(_SUFFIX) for name in files]


def _names(place: Path) -> list[str]:
    """The names in a directory, except hidden ones; none if it does not exist."""
    with suppress(NotADirectoryError, FileNotFoundError):
        return sorted(one.name for one in place.iterdir() if one.name[0] not in "._")
    return []
