"""Golden cases: what they compile to, compared with the committed files."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import resources, source
from ftc.compose.sweep import Point, points
from ftc.conf_tree import search_path
from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position, as_errors, did_you_mean, has_errors, warnings
from ftc.driver import ALL_TARGETS, ARTIFACTS, Request, State, compile_job, conf_of
from ftc.fixed_names import Job, jobs, shared, without_scripts
from ftc.output.write import SCRATCH, Artifact, remove, write
from ftc.places import FILE, is_misplaced, link, misplaced, names
from ftc.releases import is_scripts, scripts_differ, step, without_release
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ftc.compose import Conf
    from ftc.diagnostics.model import KeyPath
    from ftc.releases import Step


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
    split = [(key, *one) for key in ("overrides", "matrix", "exclude") for one in source.split_overrides(document, key)]
    if split:
        return None, (), tuple(_split(*one) for one in split)
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


class Cases:
    """The cases of a golden directory, compiled one by one.

    Each adds its overrides, config and targets to the `base` request.
    """

    def __init__(self, golden: Path, base: Request) -> None:
        self._golden, self._base, self._conf = golden, base, conf_of(base.config_dirs)

    def compiled(self, name: str) -> tuple[dict[Path, State], dict[str, tuple[Diagnostic, ...]]]:
        """Compile each combination of a case, by its directory; and return the findings of refused ones, by name."""
        made, refused = _compiled(self._golden / name, self._base, self._conf)
        states = {place: self._with_scripts(place, state) for place, state in made.items()}
        wrong = {place: state.diagnostics for place, state in states.items() if has_errors(state.diagnostics)}
        refused |= {str(place.relative_to(self._golden)): found for place, found in wrong.items()}
        return {place: state for place, state in states.items() if place not in wrong}, refused

    def _with_scripts(self, place: Path, state: State) -> State:
        """Let the kustomization of a run include the case with the ConfigMap of the scripts in its namespace."""
        if not state.lacks_scripts or state.run is None:
            return state
        there = self._scripts.get(state.run.namespace)
        if there:
            at = Path(os.path.relpath(there, place)).as_posix()
            return msgspec.structs.replace(state, request=msgspec.structs.replace(state.request, scripts_at=at))
        warning = (without_scripts(place, state.run.namespace),)
        found = as_errors(warning) if self._base.strict else warning
        return msgspec.structs.replace(state, diagnostics=state.diagnostics + found)

    @cached_property
    def _scripts(self) -> dict[str | None, Path]:
        """The directories of the cases that have only the ConfigMap of the scripts, by its namespace."""
        made: dict[Path, State] = {}
        for name in names(self._golden):
            case, _, _ = read(self._golden / name / FILE, self._base.config_dirs)
            if case is not None and set(case.targets) == {"scripts"}:
                made |= _compiled(self._golden / name, self._base, self._conf)[0]
        return {state.run.namespace: place for place, state in reversed(made.items()) if state.run}


def _compiled(
    directory: Path, base: Request, conf: Conf
) -> tuple[dict[Path, State], dict[str, tuple[Diagnostic, ...]]]:
    case, found, problems = read(directory / FILE, base.config_dirs)
    if case is None or problems:
        return {}, {directory.name: problems}
    made, refused = {}, {}
    for point in found:
        place = directory / point.directory if point.chosen else directory
        if place.is_symlink():
            refused[str(place.relative_to(directory.parent))] = link(place)
            continue
        wanted: dict[str, Any] = {"overrides": point.overrides, "varied": point.chosen}
        wanted |= {"config_name": case.config, "targets": case.targets}
        state = compile_job(msgspec.structs.replace(base, **wanted), conf)
        if has_errors(state.diagnostics):
            refused[str(place.relative_to(directory.parent))] = state.diagnostics
        else:
            made[place] = state
    return made, refused


def _split(key: str, position: Position, text: str) -> Diagnostic:
    several = " (several values belong in matrix)" if key == "overrides" else ""
    help_ = f"quote it: '{text}'{several}"
    return Diagnostic(code=UNREADABLE, message="is split by YAML at its comma", position=position, help=help_)


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
    found["$defs"]["Case"]["description"] = inspect.cleandoc(resources.docstring(Case))
    found["$defs"]["Case"]["properties"]["targets"]["items"] = {"enum": list(TARGETS)}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found}


RECORD = "DIGESTS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def record(files: Mapping[str, str]) -> str:
    """Write one line per file, with its digest."""
    return "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files))


def digests(written: str | None) -> dict[str, str]:
    """The digest of each file; lines in another form, such as conflict markers, are ignored."""
    found = (_LINE.fullmatch(line) for line in (written or "").splitlines())
    return {line[2]: line[1] for line in found if line}


def digest(content: str) -> str:
    """The digest of a text; a release of ftc that changes only its version and its scripts does not change it."""
    return hashlib.sha256(without_release(content).encode("utf-8", "surrogateescape")).hexdigest()


class Kind(StrEnum):
    """How a file differs from what its case compiles to."""

    MISSING = "missing"
    CHANGED = "changed"
    EDITED = "edited by hand"
    ORPHANED = "orphaned"
    FOREIGN = "not written by ftc"


class Finding(msgspec.Struct, frozen=True):
    """A file that differs, with its actual and its expected content (None without a file)."""

    file: Path
    kind: Kind
    actual: str | None
    expected: str | None


class Comparison(msgspec.Struct, frozen=True):
    """All that differs in some cases, the refused ones by name, and the expected files of every directory.

    The warnings are those of the combinations that compile, by name.
    """

    findings: tuple[Finding, ...]
    refused: dict[str, tuple[Diagnostic, ...]]
    made: dict[Path, dict[str, str]]
    warned: dict[str, tuple[Diagnostic, ...]]

    def of_releases(self) -> dict[Finding, tuple[Step, bool]]:
        """The files that differ only because another ftc wrote them, and whether their scripts differ."""
        outdated = [
            (one, one.actual, one.expected)
            for one in self.findings
            if one.kind is Kind.CHANGED and one.actual is not None and one.expected is not None
        ]
        found = {one: (between, scripts_differ(old, new)) for one, old, new in outdated if (between := step(old, new))}
        steps = {between for between, _ in found.values()}
        scripts = [one for one, old, new in outdated if is_scripts(old) and is_scripts(new)]
        return found | {one: (between, True) for one in scripts for between in steps if len(steps) == 1}

    def shown(self) -> list[Finding]:
        """The findings to show: a record that differs adds nothing if its files are shown."""
        others = {one.file.parent for one in self.findings if one.file.name != RECORD}
        return [one for one in self.findings if one.file.name != RECORD or one.file.parent not in others]


def compare(golden: Path, chosen: Iterable[str], base: Request) -> Comparison:
    """Compile the chosen cases; without any, all, and find leftovers of deleted cases and misplaced ones.

    The `base` request has the conf directories, the suppressed rules and whether warnings are errors.
    """
    wanted = tuple(chosen)
    findings: list[Finding] = []
    refused = {} if wanted else misplaced(golden)
    everything: dict[Path, dict[str, str]] = {}
    warned: dict[str, tuple[Diagnostic, ...]] = {}
    fixed: dict[Job, list[Path]] = {}
    cases = Cases(golden, base)
    for name in wanted or names(golden):
        states, wrong = cases.compiled(name)
        for place, state in states.items():
            for job in jobs(state):
                fixed.setdefault(job, []).append(place)
        made = {place: {one.name: one.text for one in state.artifacts()} for place, state in states.items()}
        warned |= {str(place.relative_to(golden)): warnings(state.diagnostics) for place, state in states.items()}
        refused |= wrong
        everything |= made
        findings += [one for directory, files in made.items() for one in _in_directory(directory, files)]
        if not wrong:
            findings += _left_behind(golden / name, made)
    for directory in () if wanted else _without_a_case(golden):
        findings += _left_behind(directory, {})
    for name, clashes in shared(fixed, golden).items():
        into = refused if base.strict else warned
        into[name] = (*into.get(name, ()), *(as_errors(clashes) if base.strict else clashes))
    return Comparison(tuple(findings), refused, everything, warned)


def _in_directory(directory: Path, files: dict[str, str]) -> list[Finding]:
    """Compare the files of one directory, and their record."""
    actual = {file.name: _text(file) for file in _files(directory) if file.name not in (FILE, RECORD)}
    recorded = digests(_text(directory / RECORD))
    kinds = {name: _kind(name, actual.get(name), files.get(name), recorded) for name in sorted({*files, *actual})}
    found = [Finding(directory / n, kind, actual.get(n), files.get(n)) for n, kind in kinds.items() if kind]
    written, expected = _text(directory / RECORD), record(files) if files else None
    if written == expected:
        return found
    kind = Kind.MISSING if written is None else Kind.CHANGED if expected else Kind.ORPHANED
    return [*found, Finding(directory / RECORD, kind, written, expected)]


def _kind(name: str, actual: str | None, expected: str | None, recorded: dict[str, str]) -> Kind | None:
    if actual == expected:
        return None
    if actual is None:
        return Kind.MISSING
    if expected is None:
        return Kind.ORPHANED if name in recorded and name in ARTIFACTS else Kind.FOREIGN
    return Kind.EDITED if name in recorded and recorded[name] != digest(actual) else Kind.CHANGED


def _left_behind(directory: Path, made: dict[Path, dict[str, str]]) -> Iterator[Finding]:
    """The files in directories that the case, or one of its combinations, no longer has.

    Files next to a misplaced case are not left behind.
    """
    golden = directory.parent
    for one in [] if is_misplaced(golden, directory) else [directory, *_directories(directory)]:
        if one not in made and (one / RECORD).is_file() and not is_misplaced(golden, one):
            yield from _in_directory(one, {})


def _without_a_case(golden: Path) -> list[Path]:
    """Directories that ftc wrote for a case that no longer exists; a misplaced golden/case.yaml may have them."""
    if is_misplaced(golden, golden):
        return []
    inside = [one for one in _directories(golden) if not (one / FILE).exists()]
    return [one for one in inside if any(one.glob(f"**/{RECORD}"))]


def _directories(directory: Path) -> list[Path]:
    """The subdirectories, except links, which may lead out of golden/, and hidden ones."""
    inside = [one for one in sorted(directory.iterdir()) if one.is_dir() and not one.is_symlink()]
    return [one for one in inside if not one.name.startswith(".")]


def _files(directory: Path) -> list[Path]:
    """The files, except hidden ones, which belong to other programs."""
    inside = sorted(directory.iterdir()) if directory.is_dir() else []
    return [file for file in inside if file.is_file() and not file.name.startswith(".")]


def _text(file: Path) -> str | None:
    """Read a file with its line endings; a file that is not UTF-8 differs from anything that ftc writes."""
    return file.read_bytes().decode("utf-8", "replace") if file.is_file() else None


def update(golden: Path, comparison: Comparison) -> None:
    """Write what differs, and the record of its directory; remove orphaned files, and keep those not written by ftc.

    Raises OSError if the system refuses.
    """
    for here, directories, _ in os.walk(golden):
        if SCRATCH in directories:  # an update was killed
            remove(Path(here, SCRATCH))
            directories.remove(SCRATCH)
    by_directory: dict[Path, list[Finding]] = {}
    for finding in comparison.findings:
        by_directory.setdefault(finding.file.parent, []).append(finding)
    for directory, findings in by_directory.items():
        if directory in comparison.made:
            _write(directory, findings, comparison.made[directory])
        else:
            _remove(directory, findings)


def _write(directory: Path, findings: list[Finding], files: dict[str, str]) -> None:
    """List orphaned files in the record until all is done, so that a killed update leaves only recorded files."""
    differing = [Artifact(one.file.name, one.expected) for one in findings if one.expected is not None]
    orphaned = {one.file.name: one.actual for one in findings if one.kind is Kind.ORPHANED and one.actual is not None}
    both = Artifact(RECORD, record({**orphaned, **files}))
    kept = Artifact(RECORD, record(files))
    write(directory, [*(one for one in differing if one.name != RECORD), kept], orphaned, both)


def _remove(directory: Path, findings: list[Finding]) -> None:
    """Remove the record last, for the same reason."""
    for finding in findings:
        if finding.kind is Kind.ORPHANED and finding.file.name != RECORD:
            finding.file.unlink()
    (directory / RECORD).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()
