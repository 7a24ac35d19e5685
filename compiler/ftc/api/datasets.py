"""The check of datasets: scripts/check_dataset.py in a separate process, as in a pod."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftc.api.refused import RefusedError
from ftc.api.runs import compile as compile_run
from ftc.diagnostics.model import Diagnostic, Position, Severity, has_errors
from ftc.plan.files import DATASET_INFO
from ftc.resources import directory
from ftc.rules.data import ABOUT
from ftc.spec.source import OnVolume
from ftc.trainer import data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.spec.job import JobSpec


@dataclass(frozen=True)
class CheckedDataset:
    """The findings in a dataset, the rows that the stage reads, and those that the trainer keeps."""

    name: str
    stage: str
    files: tuple[str, ...]
    rows: int
    kept: int
    tokens: dict[str, int] | None
    findings: tuple[Diagnostic, ...]
    more: dict[str, int]
    """The number of findings of a code that are not listed."""

    @property
    def has_errors(self) -> bool:
        """Whether the training would fail."""
        return has_errors(self.findings)


def check_files(path: Path, *, stage: str | None = None, tokenizer: Path | None = None) -> list[CheckedDataset]:
    """Check a file, or the datasets that dataset_info.json in a directory describes."""
    words = [str(path), *(["--stage", stage] if stage else [])]
    return _run([*words, *_tokenizer(tokenizer)])


def check_spec(
    path: Path | None, overrides: Sequence[str], config_name: str, config_dirs: Sequence[Path], tokenizer: Path | None
) -> tuple[JobSpec, list[CheckedDataset]]:
    """Check the datasets of a run in a local copy of its source, as the run reads them."""
    here = () if path is None else (_kind(overrides), f"dataset.source.path='{path.resolve()}'")
    spec = compile_run(*overrides, *here, config_name=config_name, config_dirs=config_dirs).spec
    if spec.dataset is None or spec.method is None:
        raise RefusedError("the run does not have a dataset: choose one, as with dataset=custom")
    source = spec.dataset.source
    place = path or (Path(source.path) if isinstance(source, OnVolume) else None)
    if place is None or not place.is_dir():
        kind = f"the directory {place} does not exist here" if place else "the files are in a repository"
        raise RefusedError(f"{kind}: give the directory of a local copy before the overrides")
    with tempfile.TemporaryDirectory() as made:
        info = Path(made, DATASET_INFO)
        if spec.dataset.info is not None:
            info.write_text(json.dumps(spec.dataset.info), encoding="utf-8")
        words = ["--info", str(info)] if spec.dataset.info is not None else []
        names = [word for name in spec.dataset.names for word in ("--dataset", name)]
        return spec, _run([str(place), *words, *names, *data.check_arguments(spec), *_tokenizer(tokenizer)])


def _kind(overrides: Sequence[str]) -> str:
    """The override that makes the source a directory; the address of another source needs no value then."""
    given = any(word.startswith(("dataset.source.", "source@dataset.source")) for word in overrides)
    return "dataset.source.kind=path" if given else "source@dataset.source=path"


def _tokenizer(file: Path | None) -> list[str]:
    return ["--tokenizer", str(file)] if file else []


def _run(words: list[str]) -> list[CheckedDataset]:
    script = directory("scripts") / "check_dataset.py"
    command = [sys.executable, str(script), *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ftc's own script
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{script.name} ended with status {done.returncode}")
    return [_checked(report) for report in json.loads(done.stdout)]


def _checked(report: dict[str, Any]) -> CheckedDataset:
    findings = tuple(_diagnostic(one, report["name"]) for one in report.pop("findings"))
    return CheckedDataset(**{**report, "files": tuple(report["files"]), "findings": findings})


def _diagnostic(one: dict[str, Any], name: str) -> Diagnostic:
    row = f"row {one['row']}: " if one["row"] else ""
    return Diagnostic(
        code=one["code"],
        rule=ABOUT[one["code"]].name,
        message=f"dataset {name}: {row}{one['message']}",
        severity=Severity(one["severity"]),
        position=Position(one["file"], one["line"], 1) if one["line"] else None,
    )
