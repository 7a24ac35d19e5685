"""Make the files of golden/ equal to what their cases compile to."""

from __future__ import annotations

import os
from pathlib import Path

from ftc.golden import record
from ftc.golden.compare import Comparison, Finding, Kind
from ftc.output.artifact import Artifact
from ftc.output.write import SCRATCH, remove, write


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
