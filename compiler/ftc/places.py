"""Where the cases of a golden directory and their conf tree are, and the cases in other places, which are not read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position

if TYPE_CHECKING:
    from collections.abc import Iterator


FILE = "case.yaml"
_ALIKE = (FILE, "case.yml")
_PLACE = f"<case>/{FILE}"
_DEPTH = 2


def names(directory: Path) -> list[str]:
    """The cases of a golden directory."""
    return sorted(
        file.parent.name for file in directory.glob(f"*/{FILE}") if file.is_file() and not file.parent.is_symlink()
    )


def conf_place(directory: Path) -> Path:
    """The place of the conf tree next to a golden directory."""
    return Path(os.path.normpath(directory / ".." / "conf"))


def conf_beside(directory: Path) -> tuple[Path, ...]:
    """The conf tree next to a golden directory, if it exists."""
    conf = conf_place(directory)
    return (conf,) if conf.is_dir() else ()


def misplaced(directory: Path) -> dict[str, tuple[Diagnostic, ...]]:
    """What looks like a case but is not read, because of its place or because it is not a file, by case or place."""
    places = [file.relative_to(directory) for file in files_below(directory)]
    wrong = [place for place in sorted(places) if _is_wrong(place)]
    inside = [one for one in sorted(directory.iterdir()) if not one.name.startswith(".")]
    links = {one.name: link(one) for one in inside if one.is_symlink() and (one / FILE).exists()}
    broken = {one.name: (_not_a_file(one / FILE),) for one in inside if _is_broken(one / FILE)}
    return {_case(directory, place): (_overlooked(directory, place),) for place in wrong} | links | broken


def _case(directory: Path, place: Path) -> str:
    """The case that a file such as <case>/case.yml should describe, if nothing else does; otherwise the place."""
    is_case = len(place.parts) == _DEPTH and not (directory / place.parent / FILE).exists()
    return place.parts[0] if is_case else str(place)


def is_misplaced(golden: Path, directory: Path) -> bool:
    """Whether a directory below golden/ contains a case that is not read."""
    return _is_broken(directory / FILE) or any(_is_wrong(one.relative_to(golden)) for one in directory.iterdir())


def _is_broken(file: Path) -> bool:
    """Whether a name is that of a dangling link, or of a directory."""
    return os.path.lexists(file) and (file.is_dir() or not file.exists()) and not file.parent.is_symlink()


def _not_a_file(place: Path) -> Diagnostic:
    is_dangling = place.is_symlink() and not place.exists()
    message = "is a symbolic link to a file that does not exist" if is_dangling else "is not a file"
    help_ = "replace it by a file, or delete its directory"
    return Diagnostic(code=UNREADABLE, message=message, position=Position(str(place), 1, 1), help=help_)


def _is_wrong(place: Path) -> bool:
    """Whether a path below golden/ looks like a case but is in a place that is not read."""
    return place.name.casefold() in _ALIKE and (place.name != FILE or len(place.parts) != _DEPTH)


def link(place: Path) -> tuple[Diagnostic, ...]:
    """The refusal of a directory that is a symbolic link."""
    message, help_ = "is a symbolic link, through which ftc does not write", "replace it by the directory itself"
    return (Diagnostic(code=UNREADABLE, message=message, position=Position(str(place), 1, 1), help=help_),)


def _overlooked(directory: Path, place: Path) -> Diagnostic:
    return Diagnostic(
        code=UNREADABLE,
        message=f"is not read: a case must be {directory / _PLACE}",
        position=Position(str(directory / place), 1, 1),
        help=f"move it to {directory / _right(directory, place)}",
    )


def _right(directory: Path, place: Path) -> Path:
    """A place for a misplaced case, which no other case has."""
    name = place.parent.name or "<case>"
    if len(place.parts) > _DEPTH and (directory / name / FILE).exists():
        name = "-".join(place.parent.parts)
    return Path(name, FILE)


def files_below(directory: Path) -> Iterator[Path]:
    """The files below a directory, in order, except hidden ones.

    Raises OSError for a directory that cannot be read: what it contains must not pass as checked or compared.
    """
    for here, directories, names in os.walk(directory, onerror=_refuse):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def _refuse(error: OSError) -> NoReturn:
    raise error
