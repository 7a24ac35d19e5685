"""A golden case: the runs to compile, and the reason."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import docstrings, source
from ftc.compose.sweep import Point, points
from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position, did_you_mean, has_errors
from ftc.driver import ALL_TARGETS, Request, State, compile_job, search_path
from ftc.source.below import files_below
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from ftc.compose import Conf
    from ftc.diagnostics.model import KeyPath

FILE = "case.yaml"
_ALIKE = (FILE, "case.yml")
_PLACE = f"<case>/{FILE}"
_DEPTH = 2


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `case.yaml`.

    `overrides` apply to every compile; `matrix` gives some of them several values, in Hydra's sweep syntax, except for
    the combinations in `exclude`. `config` is the primary config, which describes a whole run.
    """

    why: str
    config: str = "config"
    overrides: tuple[str, ...] = ()
    matrix: tuple[str, ...] = ()
    exclude: tuple[tuple[str, ...], ...] = ()
    targets: tuple[str, ...] = ALL_TARGETS


def read(file: Path, config_dirs: tuple[Path, ...]) -> tuple[Case | None, tuple[Point, ...], tuple[Diagnostic, ...]]:
    """Read a case and its combinations, or one without a matrix; and report what is wrong with it."""
    document, problems = source.read(file, str(file))
    if document is None:
        return None, (), problems
    try:
        case = msgspec.convert(document.data, Case)
    except msgspec.ValidationError as error:
        return None, (), (_invalid(str(error), document),)
    unknown = [(i, name) for i, name in enumerate(case.targets) if name not in TARGETS]
    if unknown:
        index, name = unknown[0]
        place = document.position(("targets", index))
        message, help_ = f"unknown target '{name}'", did_you_mean(name, TARGETS)
        return None, (), (Diagnostic(code=UNREADABLE, message=message, position=place, help=help_),)
    if not case.matrix:
        return case, (Point(case.overrides),), ()
    return case, *points((*case.overrides, *case.matrix), search_path(config_dirs), case.exclude)


def compiled(directory: Path, base: Request, conf: Conf) -> tuple[dict[Path, State], dict[str, tuple[Diagnostic, ...]]]:
    """Compile each combination of a case, by its directory; and return the findings of refused ones, by name.

    The case adds its overrides, config and targets to the `base` request.
    """
    case, found, problems = read(directory / FILE, base.config_dirs)
    if case is None or problems:
        return {}, {directory.name: problems}
    made, refused = {}, {}
    for point in found:
        place = directory / point.directory if point.chosen else directory
        if place.is_symlink():
            refused[str(place.relative_to(directory.parent))] = _link(place)
            continue
        wanted = {"overrides": point.overrides, "config_name": case.config, "targets": case.targets}
        state = compile_job(msgspec.structs.replace(base, **wanted), conf)
        if has_errors(state.diagnostics):
            refused[str(place.relative_to(directory.parent))] = state.diagnostics
        else:
            made[place] = state
    return made, refused


def _invalid(message: str, document: source.Document) -> Diagnostic:
    """Locate msgspec's error, `Expected `str`, got `int` - at `$.overrides[0]``, in the document."""
    said, _, where = message.partition(" - at `$")
    path: KeyPath = tuple(int(part) if part.isdecimal() else part for part in re.findall(r"\w+", where))
    help_ = f"the keys of a case are {', '.join(Case.__struct_fields__)}"
    return Diagnostic(
        code=UNREADABLE, message=f"is not a valid case: {said}", position=document.position(path), help=help_
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of `case.yaml`, for editors."""
    found = msgspec.json.schema(Case)
    found["$defs"]["Case"]["description"] = inspect.cleandoc(docstrings.of(Case))
    found["$defs"]["Case"]["properties"]["targets"]["items"] = {"enum": list(TARGETS)}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found}


def names(directory: Path) -> list[str]:
    """The cases of a golden directory."""
    return sorted(
        file.parent.name for file in directory.glob(f"*/{FILE}") if file.is_file() and not file.parent.is_symlink()
    )


def conf_beside(directory: Path) -> tuple[Path, ...]:
    """The conf tree next to a golden directory, if it exists."""
    conf = Path(os.path.normpath(directory / ".." / "conf"))
    return (conf,) if conf.is_dir() else ()


def misplaced(directory: Path) -> dict[str, tuple[Diagnostic, ...]]:
    """Files that look like cases but are in places that are not read, by their place."""
    alike = [file.relative_to(directory) for file in files_below(directory) if file.name.casefold() in _ALIKE]
    wrong = [place for place in sorted(alike) if not place.match(f"*/{FILE}") or len(place.parts) > _DEPTH]
    links = {one.name: _link(one) for one in directory.iterdir() if one.is_symlink() and (one / FILE).exists()}
    return {str(place): (_overlooked(directory, place),) for place in wrong} | links


def _link(place: Path) -> tuple[Diagnostic, ...]:
    message, help_ = "is a symbolic link, through which ftc does not write", "replace it by the directory itself"
    return (Diagnostic(code=UNREADABLE, message=message, position=Position(str(place), 1, 1), help=help_),)


def _overlooked(directory: Path, place: Path) -> Diagnostic:
    right = f"move it to {directory / (place.parent.name or '<case>') / FILE}"
    return Diagnostic(
        code=UNREADABLE,
        message=f"is not read: a case must be {directory / _PLACE}",
        position=Position(str(directory / place), 1, 1),
        help=right if len(place.parts) <= _DEPTH else f"{right}, or give --dir {directory / place.parent.parent}",
    )
