"""Compare golden/ with what its cases compile to, and make its files equal to that."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Diagnostic, warnings
from ftc.driver import ARTIFACTS, Request, conf_of
from ftc.golden import case as cases
from ftc.golden import record
from ftc.output.artifact import Artifact
from ftc.output.write import SCRATCH, remove, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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

    def shown(self) -> list[Finding]:
        """The findings to show: a record that differs adds nothing if its files are shown."""
        others = {one.file.parent for one in self.findings if one.file.name != record.FILE}
        return [one for one in self.findings if one.file.name != record.FILE or one.file.parent not in others]


def compare(golden: Path, chosen: Iterable[str], base: Request) -> Comparison:
    """Compile the chosen cases; without any, all, and find leftovers of deleted cases and misplaced ones.

    The `base` request has the conf directories, the suppressed rules and whether warnings are errors.
    """
    wanted = tuple(chosen)
    findings: list[Finding] = []
    refused = {} if wanted else cases.misplaced(golden)
    everything: dict[Path, dict[str, str]] = {}
    warned: dict[str, tuple[Diagnostic, ...]] = {}
    conf = conf_of(base.config_dirs)
    for name in wanted or cases.names(golden):
        states, wrong = cases.compiled(golden / name, base, conf)
        made = {place: {one.name: one.text for one in state.artifacts()} for place, state in states.items()}
        warned |= {str(place.relative_to(golden)): warnings(state.diagnostics) for place, state in states.items()}
        refused |= wrong
        everything |= made
        findings += [one for directory, files in made.items() for one in _in_directory(directory, files)]
        if not wrong:
            findings += _left_behind(golden / name, made)
    for directory in () if wanted else _without_a_case(golden):
        findings += _left_behind(directory, {})
    return Comparison(tuple(findings), refused, everything, warned)


def _in_directory(directory: Path, files: dict[str, str]) -> list[Finding]:
    """Compare the files of one directory, and their record."""
    actual = {file.name: _text(file) for file in _files(directory) if file.name not in (cases.FILE, record.FILE)}
    recorded = record.read(_text(directory / record.FILE))
    kinds = {name: _kind(name, actual.get(name), files.get(name), recorded) for name in sorted({*files, *actual})}
    found = [Finding(directory / n, kind, actual.get(n), files.get(n)) for n, kind in kinds.items() if kind]
    written, expected = _text(directory / record.FILE), record.text(files) if files else None
    if written == expected:
        return found
    kind = Kind.MISSING if written is None else Kind.CHANGED if expected else Kind.ORPHANED
    return [*found, Finding(directory / record.FILE, kind, written, expected)]


def _kind(name: str, actual: str | None, expected: str | None, recorded: dict[str, str]) -> Kind | None:
    if actual == expected:
        return None
    if actual is None:
        return Kind.MISSING
    if expected is None:
        return Kind.ORPHANED if name in recorded and name in ARTIFACTS else Kind.FOREIGN
    return Kind.EDITED if name in recorded and recorded[name] != record.digest(actual) else Kind.CHANGED


def _left_behind(directory: Path, made: dict[Path, dict[str, str]]) -> Iterator[Finding]:
    """The files in directories that the case, or one of its combinations, no longer has."""
    for one in [directory, *_directories(directory)]:
        if one not in made and (one / record.FILE).is_file():
            yield from _in_directory(one, {})


def _without_a_case(golden: Path) -> list[Path]:
    """Directories that ftc wrote for a case that no longer exists."""
    inside = [one for one in _directories(golden) if not (one / cases.FILE).exists()]
    return [one for one in inside if any(one.glob(f"**/{record.FILE}"))]


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
    for directory in {finding.file.parent: None for finding in comparison.findings}:
        findings = [one for one in comparison.findings if one.file.parent == directory]
        if directory in comparison.made:
            _write(directory, findings, comparison.made[directory])
        else:
            _remove(directory, findings)


def _write(directory: Path, findings: list[Finding], files: dict[str, str]) -> None:
    """List orphaned files in the record until all is done, so that a killed update leaves only recorded files."""
    differing = [Artifact(one.file.name, one.expected) for one in findings if one.expected is not None]
    orphaned = {one.file.name: one.actual for one in findings if one.kind is Kind.ORPHANED and one.actual is not None}
    both = Artifact(record.FILE, record.text({**orphaned, **files}))
    kept = Artifact(record.FILE, record.text(files))
    write(directory, [*(one for one in differing if one.name != record.FILE), kept], orphaned, both)


def _remove(directory: Path, findings: list[Finding]) -> None:
    """Remove the record last, for the same reason."""
    for finding in findings:
        if finding.kind is Kind.ORPHANED and finding.file.name != record.FILE:
            finding.file.unlink()
    (directory / record.FILE).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()
