"""Files of golden/ made equal to what their cases compile to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.golden import record
from ftc.golden.compare import Comparison, Finding, Kind
from ftc.output.artifact import Artifact
from ftc.output.write import write

if TYPE_CHECKING:
    from pathlib import Path


def update(comparison: Comparison) -> None:
    """Write what differs, and the record of its directory; remove what is orphaned, and leave what is not ftc's.

    OSError says what the system refused.
    """
    for directory in {finding.file.parent: None for finding in comparison.findings}:
        findings = [one for one in comparison.findings if one.file.parent == directory]
        if directory in comparison.made:
            _write(directory, findings, comparison.made[directory])
        else:
            _remove(directory, findings)


def _write(directory: Path, findings: list[Finding], files: dict[str, str]) -> None:
    differing = [Artifact(one.file.name, one.should) for one in findings if one.should is not None]
    kept = Artifact(record.FILE, record.text(files))
    orphaned = [one.file.name for one in findings if one.kind is Kind.ORPHANED]
    write(directory, [*(one for one in differing if one.name != record.FILE), kept], orphaned)


def _remove(directory: Path, findings: list[Finding]) -> None:
    for finding in findings:
        if finding.kind is Kind.ORPHANED:
            finding.file.unlink()
    (directory / record.FILE).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()
