"""`ftc compile -m`: compile every combination, each into its own directory, and all manifests into one.

Parts of a large matrix are compiled in several processes, which end with the one that started them.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import click
import msgspec

from ftc.cli.options import Reporting, cannot_write, refuse, report, say
from ftc.compose.sweep import Point, points
from ftc.conf_tree import search_path
from ftc.diagnostics.formats import objects
from ftc.diagnostics.model import Diagnostic, Severity, dotted, has_errors
from ftc.diagnostics.printable import redacted
from ftc.driver import ARTIFACTS, SPEC, Request, compile_job, conf_of
from ftc.output.write import ForeignError, Tree, only_writer
from ftc.plan.made import without_secret
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ftc.compose import Conf


INDEX = "index.json"
_TICK_SECONDS = 0.1


class Outcome(NamedTuple):
    """The result of a combination; without files it was refused."""

    point: Point
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...] = ()


def run(request: Request, root: Path, jobs: int | None, reporting: Reporting) -> None:
    """Compile and write every combination, in `jobs` processes, and report the refused ones."""
    found, problems = points(request.overrides, search_path(request.config_dirs))
    if has_errors(problems):
        report(problems, reporting)
        sys.exit(1)
    if not any(point.chosen for point in found):
        refuse("no override gives several values: write nodes=1,2, or drop -m")
    try:
        outcomes, removed = _written(_Work(found, request, jobs), root, reporting)
    except ForeignError as error:
        refuse(f"{error}: choose another directory")
    except OSError as error:
        cannot_write(root, error)
    _tell(outcomes, removed, root, reporting)
    sys.exit(not all(outcome.files for outcome in outcomes))


class _Work(NamedTuple):
    """The combinations of a request, and in how many processes to compile them."""

    found: Sequence[Point]
    request: Request
    jobs: int | None


def _written(work: _Work, root: Path, reporting: Reporting) -> tuple[list[Outcome], int]:
    """Write each directory, and count the removed ones; the index comes last, so it never names a missing directory."""
    with only_writer(root), Tree(root, ARTIFACTS, SPEC) as tree:
        before = _indexed(root / INDEX)
        touched = tree.begin({*before, *(point.directory for point in work.found)})
        with _compiled(work, tree) as compiled:
            outcomes = list(_shown(compiled, len(work.found), reporting))
        gone = touched - {outcome.point.directory for outcome in outcomes if outcome.files}
        removed = sum(tree.drop(directory) for directory in sorted(gone))
        tree.finish()
        tree.file(INDEX, _index(outcomes))
    return outcomes, removed


# Combinations that a process takes at once. One more process pays only for several times as many.
_PART = 16
_WORTH_A_PROCESS = 64


@contextmanager
def _compiled(work: _Work, tree: Tree) -> Iterator[Iterator[Outcome]]:
    """The outcomes in order. The first part is compiled before the processes start: they share what it has read."""
    found, conf = work.found, conf_of(work.request.config_dirs)
    one = partial(_outcome, work.request, conf, tree)
    rest = [found[start : start + _PART] for start in range(_PART, len(found), _PART)]
    count = min(work.jobs or min(cores(), len(found) // _WORTH_A_PROCESS), len(rest))
    if count <= 1:
        yield _each_finding_once(map(one, found))
        return
    first = [one(point) for point in found[:_PART]]
    with in_processes(lambda points: [one(point) for point in points], rest, count) as parts:
        yield _each_finding_once(chain(first, chain.from_iterable(parts)))


def _outcome(request: Request, conf: Conf, tree: Tree, point: Point) -> Outcome:
    state = compile_job(msgspec.structs.replace(request, overrides=point.overrides, varied=point.chosen), conf)
    if has_errors(state.diagnostics):
        return Outcome(point, state.diagnostics)
    artifacts = state.artifacts()
    tree.put(point.directory, artifacts)
    if run := next((state.outputs[name] for name in POD_TARGETS if name in state.outputs), None):
        tree.collect(f"{point.directory}.yaml", run)
    return Outcome(point, state.diagnostics, tuple(artifact.name for artifact in artifacts))


def _each_finding_once(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """The outcomes without copies: thousands of runs share a few findings."""
    known: dict[Diagnostic, Diagnostic] = {}
    for outcome in outcomes:
        yield outcome._replace(diagnostics=tuple(known.setdefault(one, one) for one in outcome.diagnostics))


def _shown(outcomes: Iterator[Outcome], total: int, reporting: Reporting) -> Iterator[Outcome]:
    """Pass the outcomes on, and count them on a terminal."""
    shown = sys.stderr.isatty() and not reporting.is_document
    told = time.monotonic()
    for number, outcome in enumerate(outcomes, 1):
        if shown and time.monotonic() - told > _TICK_SECONDS:
            told = time.monotonic()
            click.echo(f"\rftc: {number} of {total}", err=True, nl=False)
        yield outcome
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)


class _Entry(msgspec.Struct):
    directory: str


class _Index(msgspec.Struct):
    runs: list[_Entry]


def _indexed(file: Path) -> set[str]:
    """The directories that the previous run wrote."""
    if not file.exists():
        return set()
    try:
        return {run.directory for run in msgspec.json.decode(file.read_bytes(), type=_Index).runs}
    except msgspec.DecodeError:
        raise ForeignError(f"{file} was not written by ftc") from None


def _index(outcomes: Sequence[Outcome]) -> str:
    """List the combinations in order, one per line."""
    runs = [_run(outcome) for outcome in outcomes if outcome.files]
    refused = [
        {"overrides": _overrides(outcome), "diagnostics": objects(outcome.diagnostics)}
        for outcome in outcomes
        if not outcome.files
    ]
    lists = {"runs": runs, "refused": refused}
    return "{\n" + ",\n".join(f'"{name}": {_lines(rows)}' for name, rows in lists.items()) + "\n}\n"


def _run(outcome: Outcome) -> dict[str, object]:
    codes = sorted({one.code for one in outcome.diagnostics})
    return {
        "directory": outcome.point.directory,
        "overrides": _overrides(outcome),
        "files": outcome.files,
        "codes": codes,
    }


def _overrides(outcome: Outcome) -> list[str]:
    return [redacted(text) for text in outcome.point.overrides]


def _lines(rows: Sequence[object]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]" if rows else "[]"


def _tell(outcomes: Sequence[Outcome], removed: int, root: Path, reporting: Reporting) -> None:
    if reporting.is_document or reporting.format == "github":
        report(dict.fromkeys(one for outcome in outcomes for one in outcome.diagnostics), reporting)
    if reporting.is_document:
        return
    refused = [outcome for outcome in outcomes if not outcome.files]
    rows = [f"ftc: wrote {len(outcomes) - len(refused)} of {len(outcomes)} runs to {root}"]
    if removed:
        rows.append(f"ftc: removed {removed} {'run' if removed == 1 else 'runs'} of the previous compile")
    rows += _section("refused", refused, root)
    rows += _section("in runs that were written", [outcome for outcome in outcomes if outcome.files], root)
    for row in rows:
        say(row, err=True)


def _section(title: str, outcomes: Sequence[Outcome], root: Path) -> list[str]:
    """List the findings of some runs, each finding once, with its first run and the number of other runs."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for outcome in outcomes:
        for found in dict.fromkeys(_findings(outcome)):
            runs.setdefault(found, []).append(" ".join(map(without_secret, outcome.point.chosen)))
    if not runs:
        return []
    several = any(len(names) > 1 for names in runs.values())
    where = f" ({root / INDEX} lists all)" if several else ""
    return [f"{title}{where}:", *_table([(_first(names), *found) for found, names in runs.items()])]


def _findings(outcome: Outcome) -> list[tuple[str, ...]]:
    """The codes and the first error of a refused run; each finding of a run that was written."""
    if outcome.files:
        return [(one.severity.value, one.code, _said(one)) for one in outcome.diagnostics]
    errors = [one for one in outcome.diagnostics if one.severity is Severity.ERROR]
    return [(", ".join(dict.fromkeys(one.code for one in errors)), _said(errors[0]))]


def _first(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _said(diagnostic: Diagnostic) -> str:
    parts = (dotted(diagnostic.path), diagnostic.message, diagnostic.help)
    return ": ".join(redacted(part) for part in parts if part)  # `API_TOKEN: sets` would read as a value


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


_P = TypeVar("_P")
_R = TypeVar("_R")
# The quota of a container, in microseconds per period: "200000 100000" are two cores.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """The number of cores that this process may use: a container often has fewer than its node."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        allowed = min(allowed, max(quota // period, 1))
    return allowed


class _Child(NamedTuple):
    """A process, and the pipe from which to read its results."""

    pid: int
    results: BinaryIO


@contextmanager
def in_processes(work: Callable[[_P], _R], parts: Sequence[_P], count: int) -> Iterator[Iterator[_R]]:
    """The results of all parts in order, each process taking every `count`th part; all have ended afterwards.

    An exception of a part is raised when its result is due. Raises ChildProcessError if a process is killed.
    """
    children: list[_Child] = []
    try:
        for number in range(count):
            children.append(_started(work, parts[number::count], children))
        yield (_result(children[index % count]) for index in range(len(parts)))
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        for child in children:
            child.results.close()
            with suppress(ChildProcessError):
                os.waitpid(child.pid, 0)


def _started(work: Callable[[_P], object], parts: Sequence[_P], others: Sequence[_Child]) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(pid, os.fdopen(reading, "rb"))
    try:
        # The parent decides about Ctrl-C. It alone may read a pipe, so that writing fails once it has been killed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for end in (reading, *(other.results.fileno() for other in others)):
            os.close(end)
        with os.fdopen(writing, "wb") as results:
            for part in parts:
                results.write(_done(work, part))
                results.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _done(work: Callable[[_P], object], part: _P) -> bytes:
    """The packed result of a part, or the exception that it raised, with its trace."""
    try:
        return pickle.dumps((work(part), None))
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        error.add_note(traceback.format_exc())
        return pickle.dumps((None, error))


def _result(child: _Child) -> Any:
    try:
        result, error = pickle.load(child.results)  # noqa: S301 - written by `_done`
    except (EOFError, pickle.UnpicklingError):
        text = f"process {child.pid} was killed, maybe for lack of memory: give -j 1"
        raise ChildProcessError(errno.ECHILD, text) from None
    if error is not None:
        raise error
    return result
