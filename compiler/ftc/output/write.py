"""Write emitted files into directories, each of which is replaced as a whole, by one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import msgspec

from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType


# A compile writes for milliseconds; only a matrix or a large golden/ takes longer than this.
_SECONDS = 10.0
_PAUSE = 0.05
# Errors of a file system that cannot lock a directory, such as NFS. The writes are renames there as well.
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Create the directory if it is missing, and hold its lock; raises OSError if the system refuses.

    The lock is on the directory itself, so it leaves no file behind, and the kernel releases it if the process is
    killed. Raises BlockingIOError if another process held the lock all the time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, time.monotonic() + _SECONDS)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EWOULDBLOCK, "another ftc is writing there") from None
            time.sleep(_PAUSE)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


_MARK = "# ftc wrote: "
SCRATCH = ".ftc-new"


def marked(text: str, names: Iterable[str]) -> str:
    """Add a first line that lists the files written with a text."""
    return f"{_MARK}{' '.join(names)}\n{text}"


def also_marked(text: str, names: Iterable[str]) -> str:
    """Add files to the list of a marked text."""
    first, _, rest = text.partition("\n")
    return marked(rest, dict.fromkeys((*first.removeprefix(_MARK).split(), *names)))


def written_before(file: Path, known: Iterable[str]) -> tuple[str, ...]:
    """The files that the last compile wrote, according to the marked file; only names that ftc can write count."""
    try:
        first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ()
    named = first.removeprefix(_MARK).split() if first.startswith(_MARK) else []
    return tuple(name for name in known if name in named)


def foreign(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str]) -> list[str]:
    """The files in the way that the last compile did not write."""
    return [a.name for a in artifacts if a.name not in before and os.path.lexists(directory / a.name)]


def write(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str], journal: Artifact) -> list[str]:
    """Write the artifacts; delete and return the files written `before` that are no longer made.

    All are written to a scratch directory first, then renamed: a reader sees the old file or the new one, and a link is
    replaced, not followed. Raises OSError if the system refuses.

    The journal has the name of one of the artifacts, the one that lists the others, and lists the files of both
    compiles. It is written first and its artifact last, so that the next compile knows every file that a killed one may
    have left. Stale files are removed before new ones appear: there are never two manifests of one run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = [artifact.name for artifact in artifacts]
    for name in names:
        if (directory / name).is_dir() and not (directory / name).is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(directory / name))
    stale = sorted(name for name in set(before) - set(names) if _is_file(directory / name))
    scratch = directory / SCRATCH
    remove(scratch)
    scratch.mkdir()
    try:
        for name, text in [("journal", journal.text), *((one.name, one.text) for one in artifacts)]:
            (scratch / name).write_text(text, encoding="utf-8", newline="\n")
        os.replace(scratch / "journal", directory / journal.name)  # noqa: PTH105 - the atomic rename
        for name in stale:
            (directory / name).unlink()
        for name in sorted(names, key=journal.name.__eq__):
            os.replace(scratch / name, directory / name)  # noqa: PTH105 - the atomic rename
    finally:
        remove(scratch)
    return stale


def _is_file(place: Path) -> bool:
    return place.is_symlink() or place.is_file()


def remove(place: Path) -> None:
    """Remove what ftc made, a directory with its content; a link is removed, not followed."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


# One hidden directory holds unfinished output and the list of what the run may write, so that the next run can remove
# the leftovers of a stopped one. kubectl ignores the suffix of the list's name.
UNFINISHED = ".ftc-unfinished"
_RUNS = "runs"
MANIFESTS = "manifests"
"""The directory of a matrix with the manifest of each combination, for `kubectl create -f`."""


class ForeignError(Exception):
    """A directory holds files that ftc did not write."""


class Tree:
    """The directories below `root`. `names` are the files that a compile may write, `lists` the one that names them.

    Raises OSError if the system refuses, and ForeignError, before anything is changed, for a directory with other
    files.
    """

    def __init__(self, root: Path, names: Collection[str], lists: str) -> None:
        self._root, self._names, self._lists = root, names, lists
        self._work = root / UNFINISHED

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            shutil.rmtree(self._work, ignore_errors=True)
        else:
            self._clear()

    def begin(self, directories: Collection[str]) -> set[str]:
        """Record all directories that may be written or removed, with those that a stopped run left; return them.

        A name that leads elsewhere is ignored.
        """
        if self._work.is_symlink():
            self._work.unlink()
        runs = self._work / _RUNS
        left = runs.read_text(encoding="utf-8").splitlines() if runs.exists() else ()
        touched = {name for name in (*directories, *left) if name and name[0] != "." and "/" not in name}
        for directory in sorted(touched):
            self._is_there(directory)
        self._check(self._root / MANIFESTS, {f"{directory}.yaml" for directory in touched})
        self._work.mkdir(parents=True, exist_ok=True)
        self._clear()
        self._replace(runs, "".join(f"{directory}\n" for directory in sorted(touched)))
        return touched

    def _clear(self) -> None:
        """Remove unfinished output; the list stays for the next run."""
        for one in self._work.glob("*"):
            if one.name != _RUNS:
                remove(one)

    def put(self, directory: str, artifacts: Sequence[Artifact]) -> None:
        """Write a directory in place of the old one, unless both are equal."""
        place = self._root / directory
        texts = {artifact.name: artifact.text.encode() for artifact in artifacts}
        if self._is_there(directory) and _contents(place) == texts:
            return
        made = self._scratch("new")
        made.mkdir()
        for name, text in texts.items():
            (made / name).write_bytes(text)
        self.drop(directory)
        made.rename(place)

    def drop(self, directory: str) -> bool:
        """Remove a directory that a compile wrote; return whether it existed."""
        place = self._root / directory
        there = self._is_there(directory)
        if there:
            old = self._scratch("old")
            place.rename(old)
            shutil.rmtree(old)
        return there

    def _scratch(self, name: str) -> Path:
        """A place for unfinished output: several processes write below the same root."""
        return self._work / f"{name}-{os.getpid()}"

    def collect(self, name: str, text: str) -> None:
        """Add a manifest to those that `finish` puts into one directory."""
        new = self._work / MANIFESTS
        new.mkdir(exist_ok=True)
        (new / name).write_text(text, encoding="utf-8", newline="\n")

    def finish(self) -> None:
        """Replace the directory of manifests by the collected ones."""
        place, new = self._root / MANIFESTS, self._work / MANIFESTS
        if place.exists():
            place.rename(self._work / "old")
            shutil.rmtree(self._work / "old")
        if new.exists():
            new.rename(place)

    def file(self, name: str, text: str) -> None:
        """Write a file next to the directories."""
        self._replace(self._root / name, text)

    def _replace(self, file: Path, text: str) -> None:
        made = self._work / f"{file.name}.new"
        made.write_text(text, encoding="utf-8", newline="\n")
        os.replace(made, file)  # noqa: PTH105 - the atomic rename

    def _is_there(self, directory: str) -> bool:
        """Whether a directory exists; a link, or a directory with files of others, raises ForeignError."""
        place = self._root / directory
        return self._check(place, set(written_before(place / self._lists, self._names)))

    def _check(self, place: Path, known: set[str]) -> bool:
        if place.is_symlink():
            raise ForeignError(f"{place} is a link")
        if not place.exists():
            return False
        others = {file.name for file in place.iterdir()} - known
        if others:
            raise ForeignError(f"{place} has files that ftc did not write ({', '.join(sorted(others))})")
        return True


def _contents(place: Path) -> dict[str, bytes]:
    """The files of a directory, without links, which no run has."""
    return {file.name: file.read_bytes() for file in place.iterdir() if not file.is_symlink()}


class Artifact(msgspec.Struct, frozen=True):
    """A file's name and its text, byte for byte."""

    name: str
    text: str


KUSTOMIZATION = "kustomization.yaml"


def kustomization(resources: Iterable[str], same: Iterable[str] = ()) -> str:
    """Write a kustomization of the files (kustomize ≥3, `kustomize.config.k8s.io/v1beta1`).

    A comment names those that it leaves out because they are the `same` run for another target.
    """
    left_out = ", ".join(same)
    about = f"# Left out, because each would start the same run again: {left_out}\n" if left_out else ""
    found = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    return about + dump(found)
