"""The sides of a comparison: revisions of git, overrides, compiled cases, directories and files.

Only what both sides share is compared; the rest is listed, so that no report claims more than was compared.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec

from ftc import golden as cases
from ftc.diagnostics.model import warnings
from ftc.diff.objects import MANIFESTS, duplicates, encoded
from ftc.diff.report import Run
from ftc.driver import ARTIFACTS, SPEC, Request, State, compile_job
from ftc.output.write import KUSTOMIZATION
from ftc.places import FILE, files_below, misplaced, names
from ftc.source import documents
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic
    from ftc.diff.objects import Thing


class NoRevisionError(Exception):
    """An error of git: no repository here, or no such revision."""


@contextmanager
def checked_out(revision: str, paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Extract the paths of a revision, and change to the corresponding working directory in it.

    A path outside the repository stays as it is; one that the revision lacks does not exist.
    Raises NoRevisionError for what git does not find.
    """
    here = Path.cwd()
    top = Path(os.fsdecode(_git("rev-parse", "--show-toplevel").removesuffix(b"\n"))).resolve()
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    inside = {path: path.resolve().relative_to(top) for path in paths if path.resolve().is_relative_to(top)}
    with tempfile.TemporaryDirectory(prefix="ftc-") as scratch:
        for path in inside.values():
            _extract(commit, top, path, Path(scratch).resolve())
        there = Path(scratch) / here.resolve().relative_to(top)
        there.mkdir(parents=True, exist_ok=True)
        with chdir(there):
            yield tuple(
                Path(scratch) / inside[path] if path in inside and path.is_absolute() else path for path in paths
            )


def _extract(commit: str, top: Path, path: Path, into: Path) -> None:
    """Extract what is below a path, and the targets of links in it; a link out of the repository is left out."""
    if (into / path).exists() or not _git("-C", str(top), "ls-tree", commit, "--", _literal(path)):
        return
    archive = _git("-C", str(top), "archive", "--format=tar", commit, "--", _literal(path))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into, filter=_without_links_out)  # noqa: S202 - the filter is what the rule asks for
        links = [Path(os.path.normpath(Path(one.name).parent / one.linkname)) for one in tar if one.issym()]
    for target in links:
        if not target.is_absolute() and target.parts[:1] != ("..",) and not os.path.lexists(into / target):
            _extract(commit, top, target, into)


def _literal(path: Path) -> str:
    """A path that git does not take for a pattern."""
    return f":(literal){path}"


def _without_links_out(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, into)
    except tarfile.FilterError:
        return None


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - the user's git, no shell
    except FileNotFoundError as error:
        raise NoRevisionError("git is not installed") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise NoRevisionError(said or "is not a revision of this repository; in a shallow clone, fetch it first")
    return done.stdout


_ENDINGS = (".yaml", ".yml", ".json")
# The last one lists the directories of a matrix.
_NOT_COMPILED = (FILE, cases.RECORD, "index.json")


def of_state(state: State) -> Run:
    """The run of a compile without errors."""
    files = {artifact.name: artifact.text for artifact in state.artifacts()}
    return Run(files, state.request.targets, lambda: state, warnings=warnings(state.diagnostics))


def of_cases(golden: Path, base: Request) -> tuple[dict[str, Run], dict[str, tuple[Diagnostic, ...]]]:
    """Compile every combination of every case: runs by their place in golden/, and the findings of refused ones.

    A golden directory that does not exist has no cases.
    """
    if not golden.is_dir():
        return {}, {}
    found: dict[str, Run] = {}
    refused = misplaced(golden)
    compiles = cases.Cases(golden, base)
    for name in names(golden):
        states, wrong = compiles.compiled(name)
        found |= {str(place.relative_to(golden)): of_state(state) for place, state in states.items()}
        refused |= wrong
    return found, refused


def as_kept(
    golden: Path, runs: Mapping[str, Run], others: Iterable[str], place: str
) -> tuple[dict[str, Run], dict[str, Diagnostic]]:
    """Replace the files of runs by those that ftc wrote into golden/, which are what goes to the cluster.

    The `others`, which this ftc does not compile, are added if they have such files. Messages call golden/ `place`.
    Files of a run that are malformed replace nothing: their first problem, with its place in golden/, is returned.
    """
    kept = {name: _kept(golden / name) for name in (*runs, *others)}
    found, malformed = dict(runs), {}
    for name, files in kept.items():
        run = runs.get(name, Run({}))
        if wrong := _malformed(files, run.files, PurePath(name)):
            malformed[name] = wrong
        elif files:
            edited = _is_edited(golden / name, files, run.files)
            found[name] = msgspec.structs.replace(run, files=files, kept=place, is_edited=edited)
    return found, malformed


def _malformed(files: Mapping[str, str], compiled: Mapping[str, str], run: PurePath) -> Diagnostic | None:
    """The first problem of the files that are compared; what this ftc compiles has none."""
    for name, text in files.items():
        if name != SPEC and name.endswith(_ENDINGS) and compiled.get(name) != text:
            _, problems = documents(encoded(text), str(run / name))
            if problems:
                return problems[0]
    return None


def _is_edited(directory: Path, files: Mapping[str, str], compiled: Mapping[str, str]) -> bool:
    recorded = _recorded(directory)
    return any(compiled.get(name) != text and recorded[name] != cases.digest(text) for name, text in files.items())


def _kept(directory: Path) -> dict[str, str]:
    names = [name for name in _recorded(directory) if name in ARTIFACTS]
    return {name: _text(directory / name) for name in names if (directory / name).is_file()}


def _recorded(directory: Path) -> dict[str, str]:
    record = directory / cases.RECORD
    return cases.digests(_text(record)) if record.is_file() else {}


def of_path(path: Path) -> dict[str, Run]:
    """Read a file as one run; a directory, with everything below it, as one run per directory, by its place.

    A pipe, such as the shell's `<(kubectl get …)`, is a manifest.
    """
    if not path.is_dir():
        return {"": Run({path.name if path.is_file() else "pipe.yaml": _text(path)}, directory=str(path.parent))}
    inside = sorted({file.parent for file in files_below(path) if _is_compiled(file)})
    return {"" if one == path else str(one.relative_to(path)): _of_directory(one) for one in inside}


def ignored(path: Path) -> list[str]:
    """The files of a directory that are not compared, because ftc does not write files with such names."""
    inside = [file for file in files_below(path) if file.is_file()]
    return sorted(str(file) for file in inside if not _is_compiled(file) and file.name not in _NOT_COMPILED)


def problems(one: dict[str, Run], other: dict[str, Run]) -> tuple[Diagnostic, ...]:
    """Malformed manifests that are on one side only."""
    texts = {
        str(PurePath(run.directory) / name): text
        for place, run in one.items()
        for name, text in run.files.items()
        if name.endswith(MANIFESTS) and not (place in other and other[place].files.get(name) == text)
    }
    return tuple(problem for file, text in texts.items() for problem in documents(encoded(text), file)[1])


def _of_directory(directory: Path) -> Run:
    files = {file.name: _text(file) for file in sorted(directory.iterdir()) if _is_compiled(file)}
    targets = tuple(name for name, target in TARGETS.items() if target.file in files)
    spec = partial(_spec, directory) if SPEC in files else lambda: None
    return Run(files, targets, spec, directory=str(directory))


def _spec(directory: Path) -> State | None:
    """Compose the spec that was written with the files, which is a valid config."""
    state = compile_job(Request((), (directory,), SPEC.removesuffix(".yaml"), ()))
    return state if state.spec else None


def _is_compiled(file: Path) -> bool:
    named = file.name in ARTIFACTS or file.suffix in _ENDINGS
    return named and file.name not in _NOT_COMPILED and not file.name.startswith(".") and file.is_file()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape")


_SHORT = 5


def why_not(before: Mapping[str, Run], after: Mapping[str, Run]) -> str:
    """Why nothing can be compared: a side is empty, or the sides share no kind. Empty if it can."""
    old, new = _all(before), _all(after)
    empty = [side for side, some in (("before", old), ("after", new)) if not some]
    if empty:
        return f"nothing is compared: {' and '.join(empty)} contains nothing that ftc compares"
    if any(_kinds(before[name].things) & _kinds(after[name].things) for name in before.keys() & after.keys()):
        return ""
    return f"nothing is compared: before has only {_listed(old)}; after has only {_listed(new)}"


def remarks(before: Mapping[str, Run], after: Mapping[str, Run]) -> list[str]:
    """Remarks on the objects of each side."""
    return [
        f"{side} has {PurePath(name) / one} more than once, but a cluster keeps one object per name"
        for side, runs in (("before", before), ("after", after))
        for name, run in runs.items()
        for one in duplicates(run.things)
    ]


def left_out(before: Mapping[str, Run], after: Mapping[str, Run]) -> list[str]:
    """The files that differ but are not compared: specs, whose effects are, and lists of the other files."""
    return sorted(
        str(PurePath(name) / file)
        for name in before.keys() & after.keys()
        for file in (SPEC, KUSTOMIZATION)
        if before[name].files.get(file) != after[name].files.get(file)
    )


def _all(runs: Mapping[str, Run]) -> list[str]:
    return [str(PurePath(name) / str(thing)) for name, run in runs.items() for thing in run.things]


def _kinds(some: list[Thing]) -> set[str]:
    return {thing.kind for thing in some}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHORT} more" if len(names) > _SHORT else ""
    return f"{', '.join(names[:_SHORT])}{more}"
