"""The sides of a comparison: compiled overrides, compiled cases, directories and files, and what they share.

Only what both sides share is compared; the rest is listed, so that no report claims more than was checked.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import warnings
from ftc.diff.objects import MANIFESTS, encoded
from ftc.diff.pairing import duplicates
from ftc.diff.report import Run
from ftc.driver import ARTIFACTS, SPEC, Request, State, compile_job, conf_of
from ftc.golden import case as cases
from ftc.golden import record
from ftc.output import kustomization
from ftc.source import documents
from ftc.source.below import files_below
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic
    from ftc.diff.objects import Thing


_ENDINGS = (".yaml", ".yml", ".json")
# The last one lists the directories of a matrix.
_NOT_COMPILED = (cases.FILE, record.FILE, "index.json")


def of_state(state: State) -> Run:
    """The run of a compile without errors."""
    files = {artifact.name: artifact.text for artifact in state.artifacts()}
    return Run(files, state.request.targets, lambda: state, warnings=warnings(state.diagnostics))


def of_cases(golden: Path, base: Request) -> tuple[dict[str, Run], dict[str, tuple[Diagnostic, ...]]]:
    """Compile every combination of every case: runs by their place in golden/, and the findings of refused ones."""
    found: dict[str, Run] = {}
    refused = cases.misplaced(golden)
    conf = conf_of(base.config_dirs)
    for name in cases.names(golden):
        states, wrong = cases.compiled(golden / name, base, conf)
        found |= {str(place.relative_to(golden)): of_state(state) for place, state in states.items()}
        refused |= wrong
    return found, refused


def as_kept(golden: Path, runs: Mapping[str, Run], others: Iterable[str], place: str) -> dict[str, Run]:
    """Replace the files of runs by those that ftc wrote into golden/, which are what goes to the cluster.

    The `others`, which this ftc does not compile, are added if they have such files. Messages call golden/ `place`.
    """
    kept = {name: _kept(golden / name) for name in (*runs, *others)}
    return {
        name: msgspec.structs.replace(runs.get(name, Run({})), files=files, kept=place) if files else runs[name]
        for name, files in kept.items()
        if files or name in runs
    }


def _kept(directory: Path) -> dict[str, str]:
    written = directory / record.FILE
    names = record.read(_text(written)) if written.is_file() else {}
    return {name: _text(directory / name) for name in names if name in ARTIFACTS and (directory / name).is_file()}


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
        for file in (SPEC, kustomization.FILE)
        if before[name].files.get(file) != after[name].files.get(file)
    )


def _all(runs: Mapping[str, Run]) -> list[str]:
    return [str(PurePath(name) / str(thing)) for name, run in runs.items() for thing in run.things]


def _kinds(some: list[Thing]) -> set[str]:
    return {thing.kind for thing in some}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHORT} more" if len(names) > _SHORT else ""
    return f"{', '.join(names[:_SHORT])}{more}"
