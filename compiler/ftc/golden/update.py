"""Files of golden/ made equal to what their cases compile to."""

from __future__ import annotations

import os
from pathlib import Path

from ftc.golden import record
from ftc.golden.compare import Comparison, Finding, Kind
from ftc.output.artifact import Artifact
from ftc.output.write import SCRATCH, remove, write


def update(golden: Path, comparison: Comparison) -> None:
    """Write what differs, and the record of its directory; remove what is orphaned, and leave what is not ftc's.

    OSError says what the system refused.
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
    """The record lists what was written before too, until all is done: what a killed update leaves is still ftc's."""
    differing = [Artifact(one.file.name, one.should) for one in findings if one.should is not None]
    orphaned = {one.file.name: one.stands for one in findings if one.kind is Kind.ORPHANED and one.stands is not None}
    both = Artifact(record.FILE, record.text({**orphaned, **files}))
    kept = Artifact(record.FILE, record.text(files))
    write(directory, [*(one for one in differing if one.name != record.FILE), kept], orphaned, both)


def _remove(directory: Path, findings: list[Finding]) -> None:
    """The record goes last, for the same reason."""
    for finding in findings:
        if finding.kind is Kind.ORPHANED and finding.file.name != record.FILE:
            finding.file.unlink()
    (directory / record.FILE).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()
