"""The runs and the downloads in a directory of a workspace, and their removal."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from ftc.api.refused import RefusedError
from ftc.cluster.cause import safe
from ftc.diagnostics.model import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

RUN, SOURCE = "run", "source"
# The scripts and `-t script` make these in the directory of a run; fetch.sh makes the marker of a source. A run may
# have only `output`, but a directory of the user can have one, too: it is never removed.
_OF_RUN = ("train.done", "datasets-cache", "run.lock", "spec.yaml", "files/train.yaml")
_OUTPUT = "output"
# prepare.sh copies the second to the first; a longer file is not one that ftc wrote.
_SPECS, _LONGEST_SPEC = ("spec.yaml", "files/spec.yaml"), 1 << 20
_MARKER, _FILES, _LOCK = ".ftc-revision", "files", "run.lock"
# A pod on another node holds no lock that this machine sees, but a training writes its log much more often.
_QUIET = 3600
# fetch.sh removes directories with this name if a removal was interrupted.
_REMOVED = ".ftc-tmp.removed"
# shutil.rmtree calls itself for each level, and keeps a directory open.
_DEEPEST = 400


class Entry(msgspec.Struct, frozen=True):
    """A run or a downloaded source."""

    name: str
    """The path in the workspace."""
    kind: str
    """`run` or `source`."""
    size: int
    """The bytes on the disk."""
    age: int
    """The seconds since the last change."""
    in_use: str = ""
    """Why it cannot be removed now; empty if it can."""


def entries(workspace: Path) -> tuple[Entry, ...]:
    """The runs and the sources, the largest first; links are not followed."""
    places = [place for place in _directories(workspace) if not _is_source(place)]
    seen = _entries(workspace, (place for place in places if _has(place, (*_OF_RUN, _OUTPUT))), RUN)
    used = [one.name for one in seen if one.in_use]
    specs = {name: _spec(workspace / name) for name in used}
    found = [_held(one, specs) for one in seen if _is_run(workspace / one.name)]
    why = f"the run {used[0]} may read it" if used else ""
    others = [place for place in _directories(workspace) if not _is_run(place)]
    sources = [place for parent in (*others, workspace) for place in _directories(parent) if _is_source(place)]
    found += [
        one if one.in_use else msgspec.structs.replace(one, in_use=why) for one in _entries(workspace, sources, SOURCE)
    ]
    return tuple(sorted(found, key=lambda one: (-one.size, one.name)))


def chosen(workspace: Path, names: Sequence[str]) -> tuple[Entry, ...]:
    """The entries of these names, if all of them can be removed."""
    known = {one.name: one for one in entries(workspace)}
    for name in names:
        if name not in known:
            raise RefusedError(
                f"{safe(name)} is neither a run nor a source of {workspace}; {did_you_mean(name, known)}"
            )
        if known[name].in_use:
            raise RefusedError(f"{safe(name)} is in use: {known[name].in_use}")
    return tuple(known[name] for name in dict.fromkeys(names))


def remove(workspace: Path, entry: Entry) -> None:
    """Remove an entry: a rename first, so that no one takes a part of it for a whole run or source."""
    place = workspace / entry.name
    gone = place.with_name(place.name + _REMOVED)
    with _locked(place) as is_ours:
        if not is_ours or place.is_symlink():
            raise RefusedError(f"{safe(entry.name)} is in use: another process has locked it")
        try:
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone)
            place.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            _cannot_remove(entry, error)


def _cannot_remove(entry: Entry, error: OSError) -> NoReturn:
    """Name the path: that of the new name if the rename failed because it is taken."""
    taken = error.filename2 if isinstance(error, FileExistsError | NotADirectoryError) else None
    path = safe(os.fsdecode(taken or error.filename or entry.name))
    help_ = "remove or rename that path as the user who owns it, and call `ftc clean` again"
    raise RefusedError(f"cannot remove {safe(entry.name)}: {path}: {error.strerror or error}; {help_}") from None


def _directories(parent: Path) -> list[Path]:
    with suppress(PermissionError), os.scandir(parent) as found:
        return sorted(Path(one.path) for one in found if one.is_dir(follow_symlinks=False))
    return []


def _has(place: Path, names: Sequence[str]) -> bool:
    return any(os.path.lexists(place / name) for name in names)


def _is_run(place: Path) -> bool:
    return _has(place, _OF_RUN) and not _is_source(place)


def _is_source(place: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG((place / _MARKER).lstat().st_mode) and stat.S_ISDIR((place / _FILES).lstat().st_mode)
    return False


def _entries(workspace: Path, places: Iterable[Path], kind: str) -> list[Entry]:
    """The entries of these directories, without those that another process removes meanwhile."""
    mounted, found = _mounted(), []
    for place in places:
        with suppress(FileNotFoundError):
            found.append(_entry(workspace, place, kind, mounted))
    return found


def _entry(workspace: Path, place: Path, kind: str, mounted: Sequence[Path]) -> Entry:
    size, changed, depth = _measured(place)
    age = max(int(time.time() - changed), 0)
    real = place.resolve()
    with _locked(place) as is_ours:
        reasons = {
            "another process has locked it": not is_ours,
            "another volume is mounted in it": any(one.is_relative_to(real) for one in mounted),
            f"it has more than {_DEEPEST} directories inside each other: remove it with rm": depth > _DEEPEST,
            f"it changed {age // 60} minutes ago": kind == RUN and age < _QUIET,
        }
    why = next((reason for reason, holds in reasons.items() if holds), "")
    return Entry(str(place.relative_to(workspace)), kind, size, age, why)


def _measured(place: Path) -> tuple[int, float, int]:
    """The bytes of a tree, the time of its last change, and its depth; what cannot be read is not counted."""
    own = place.lstat()
    size, changed, deepest = own.st_blocks * 512, own.st_mtime, 0
    waiting = [(str(place), 1)]
    while waiting:
        directory, depth = waiting.pop()
        with suppress(OSError), os.scandir(directory) as found:
            deepest = max(deepest, depth)
            for one in found:
                with suppress(FileNotFoundError):
                    about = one.stat(follow_symlinks=False)
                    size, changed = size + about.st_blocks * 512, max(changed, about.st_mtime)
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append((one.path, depth + 1))
    return size, changed, deepest


def _mounted() -> list[Path]:
    """The places at which something is mounted: a removal would empty the other volume, too."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:  # not Linux
        return []
    # proc_pid_mountinfo(5): the fifth field, with blanks, newlines and backslashes in octal.
    places = (re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), line.split()[4]) for line in lines)
    return [Path(os.fsdecode(place)) for place in places]


def _held(one: Entry, specs: Mapping[str, str]) -> Entry:
    """The run, in use too if a run in use reads it by its spec, or has a spec that cannot be read."""
    # `run: NAME` of source=run, or a part of a path. The scripts write the name of a run without an escape.
    name = re.escape(one.name)
    named = re.compile(rf"(/|\brun: *[\"']?){name}(?![\w-])|(?<![\w.-]){name}/")
    for reader, spec in specs.items() if not one.in_use else ():
        if not spec:
            return msgspec.structs.replace(one, in_use=f"the run {reader} may read it: its spec.yaml cannot be read")
        if named.search(spec):
            return msgspec.structs.replace(one, in_use=f"the run {reader} reads it")
    return one


def _spec(run: Path) -> str:
    """The text of the spec in a run's directory; empty if it cannot be read."""
    for file in (run / name for name in _SPECS):
        with suppress(OSError, UnicodeDecodeError):
            if stat.S_ISREG(file.lstat().st_mode) and file.stat().st_size <= _LONGEST_SPEC:
                return file.read_text(encoding="utf-8")
    return ""


@contextmanager
def _locked(place: Path) -> Iterator[bool]:
    """Hold the lock of a run, if it has one and no one else holds it."""
    try:
        number = os.open(place / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    except OSError:  # a link, or a file of someone else
        yield False
        return
    try:
        if stat.S_ISREG(os.fstat(number).st_mode):
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = True
    except OSError:
        is_ours = False
    try:
        yield is_ours
    finally:
        os.close(number)
