"""Pin a run: resolve what it names, check the effect, and write."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.api.refused import RefusedError
from ftc.api.runs import sound
from ftc.diagnostics.model import Diagnostic, did_you_mean, dotted
from ftc.driver import Request, compile_job
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.pin.conf import DIRECTORY, EMPTY, text, with_pins
from ftc.pin.pins import Pin, pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ftc.diagnostics.model import KeyPath
    from ftc.driver import State
    from ftc.spec.base import Json


class Pinning(NamedTuple):
    """The pins of a run, those that are missing with their reason, and the content of the files that hold them.

    `outdated` are the files with pins that the run inherits, if they have another content when their runs are pinned.
    """

    pins: tuple[Pin, ...]
    missing: tuple[Pin, ...]
    contents: dict[Path, str]
    outdated: tuple[Path, ...]

    @property
    def differing(self) -> list[Path]:
        """The files that have another content."""
        return [file for file, content in self.contents.items() if _read(file) != content]

    def write(self) -> None:
        """Write the files that differ; raises RefusedError if the system refuses.

        The run names the pins last, so that a killed command leaves a run that composes.
        """
        for file in self.differing:
            try:
                _replace(file, self.contents[file])
            except OSError as error:
                raise RefusedError(f"cannot write {file}: {error.strerror}") from error


def pinning(name: str, dirs: tuple[Path, ...]) -> Pinning:
    """Resolve what a run names, as it is without its present pins and those that it inherits; raises RefusedError."""
    primary = _primary(name, dirs)
    file = primary.parent / DIRECTORY / f"{name}.yaml"
    bare, state = _composed(name, dirs, {f"{DIRECTORY}/{one}.yaml": EMPTY for one in _runs(dirs)})
    present = compile_job(Request((), dirs, name)).spec  # None if the file of the pins is missing or malformed
    now = plain(present) if present else {}
    found = [_kept(one, now) for one in (pins(state.spec) if state.spec else [])]
    resolved, missing = tuple(one for one in found if one.value), tuple(one for one in found if one.why)
    if wrong := [one for one in missing if one.needed]:
        raise RefusedError(findings=tuple(_error(one, one.why, state) for one in wrong))
    without, files = _inherited(name, dirs)
    theirs = [one for one in resolved if _is_inherited(one, bare, without)]
    own = [one for one in resolved if one not in theirs]
    outdated = tuple(dict.fromkeys(files[dotted(one.key)] for one in theirs if _at(without, one.key) != one.value))
    if not own and not file.exists():
        return Pinning((), missing, {}, outdated)
    before = _read(primary) or ""
    after = with_pins(before, name)
    contents = {file: text(name, own), primary: after or before}
    data, _ = _composed(name, dirs, {f"{DIRECTORY}/{name}.yaml": contents[file], f"{name}.yaml": contents[primary]})
    if after is None or data != _pinned(without, own):
        add = f"add '{DIRECTORY}/{name}' to its defaults list yourself, after _self_ and before the overrides"
        raise RefusedError(f"{primary}: {add}, and run the command again")
    return Pinning(tuple(own), missing, contents, outdated)


def _runs(dirs: tuple[Path, ...]) -> set[str]:
    return {one.stem for place in dirs for one in place.glob("*.yaml")}


def _is_inherited(pin: Pin, bare: Json, without: Json) -> bool:
    """Whether the pins of another run set the key, and for what this run names."""
    is_named = _at(without, ("pins", dotted(pin.key))) == pin.names
    return is_named and bool(_at(without, pin.key) != _at(bare, pin.key))


def _primary(name: str, dirs: tuple[Path, ...]) -> Path:
    """The file of a run, which must be the user's and at the top of a conf tree."""
    if not dirs:
        raise RefusedError("./conf does not exist: give --config-dir")
    stem = Path(name).name.removesuffix(".yaml")
    file = next((place / f"{stem}.yaml" for place in dirs if (place / f"{stem}.yaml").is_file()), None)
    if file and stem == name:
        return file
    if file:
        raise RefusedError(f"'{name}' is not the name of a run: for {file} it is `ftc pin {stem}`")
    why = f"the name of a run: a run is a file in {dirs[0]}, not in a directory below"
    if stem == name:
        why = f"a run of yours: {' and '.join(str(place / f'{name}.yaml') for place in dirs)} does not exist"
    raise RefusedError(f"'{name}' is not {why}; {did_you_mean(stem, _runs(dirs))}".removesuffix("; "))


def _composed(name: str, dirs: tuple[Path, ...], instead: Mapping[str, str]) -> tuple[Json, State]:
    """Compile a run with other contents of some files; raises RefusedError."""
    with _holding(instead) as place:
        spec, state = sound(Request((), (place, *dirs), name))
        return plain(spec), state


def _inherited(name: str, dirs: tuple[Path, ...]) -> tuple[Json, dict[str, Path]]:
    """The spec without the run's own pins, and the file of each other pin; raises RefusedError.

    Errors of the rules are ignored: an inherited pin is stale if the run names something else, which it then pins.
    """
    with _holding({f"{DIRECTORY}/{name}.yaml": EMPTY}) as place:
        request = Request((), (place, *dirs), name)
        state = compile_job(request)
        spec = state.spec or sound(request)[0]
    places = {key: state.composed.position(("pins", key)) if state.composed else None for key in spec.pins}
    return plain(spec), {key: Path(place.source) for key, place in places.items() if place}


@contextmanager
def _holding(contents: Mapping[str, str]) -> Iterator[Path]:
    """A directory with some files."""
    with tempfile.TemporaryDirectory(prefix="ftc-") as place:
        for file, content in contents.items():
            there = Path(place) / file
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(content, encoding="utf-8", newline="")
        yield Path(place)


def _pinned(data: Json, resolved: Iterable[Pin]) -> Json:
    """The spec with more pins and no other change; the image of the hardware is that of the run too."""
    copy: Json = deepcopy(data)
    copy["pins"] |= {dotted(one.key): one.names for one in resolved}
    for key, value in {one.key: one.value for one in resolved}.items():
        if key == ("hardware", "image"):
            copy["image"] = value
        *parents, last = key
        here: Any = copy
        for step in parents:
            here = here[step]
        here[last] = value
    return copy


def _kept(pin: Pin, now: Json) -> Pin:
    """A digest that cannot be asked for now stays as it was pinned, if the image still has this name."""
    present = str(_at(now, pin.key))
    return pin if pin.value or not present.startswith(f"{pin.names}@") else pin._replace(value=present)


def _at(data: Json, key: KeyPath) -> Any:
    """The value of a key; None without one."""
    found = find(data, key)
    return found.value if isinstance(found, Found) else None


def _error(pin: Pin, message: str, state: State) -> Diagnostic:
    """An error at a key; its place is left out if it is in a file that exists only during the command."""
    position = state.composed.position(pin.key) if state.composed else None
    is_here = position is not None and Path(position.source).is_file()
    return Diagnostic(code="", rule="pin", message=message, path=pin.key, position=position if is_here else None)


def _read(file: Path) -> str | None:
    return file.read_bytes().decode("utf-8", "replace") if file.is_file() else None


def _replace(file: Path, content: str) -> None:
    """Replace a file, or the target of a link, in one step."""
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".ftc-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content.encode())
        Path(name).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
