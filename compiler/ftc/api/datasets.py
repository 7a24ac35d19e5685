"""The check of datasets: scripts/check_dataset.py in a separate process, as in a pod."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.api.refused import RefusedError
from ftc.api.runs import directories, sound
from ftc.diagnostics.model import Diagnostic, Position, Severity, has_errors
from ftc.diagnostics.shown import shown
from ftc.driver import Request, compile_job
from ftc.plan import fetch
from ftc.plan.files import DATASET_INFO
from ftc.resources import directory
from ftc.rules.data import ABOUT
from ftc.spec.job import JobSpec
from ftc.spec.source import OnVolume
from ftc.trainer.arguments import described
from ftc.validate import validate
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.spec.model import OneDataset
    from ftc.spec.source import Source


_FAILS = 3  # check_dataset.py
_UNCHECKED = "FTC166"
# The tasks and the sizes that the Hugging Face hub knows (huggingface_hub, hub-docs: datasetcard.md).
_TASKS = {"images": "image-text-to-text", "videos": "video-text-to-text", "audios": "audio-text-to-text"}
_SIZES = {
    10**3: "n<1K",
    10**4: "1K<n<10K",
    10**5: "10K<n<100K",
    10**6: "100K<n<1M",
    10**7: "1M<n<10M",
    10**8: "10M<n<100M",
}
_LARGEST = "100M<n<1B"


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
    return _run(path, [*(["--stage", stage] if stage else []), *_tokenizer(tokenizer)])


def check_spec(
    path: Path | None, overrides: Sequence[str], config_name: str, config_dirs: Sequence[Path], tokenizer: Path | None
) -> tuple[JobSpec, list[CheckedDataset]]:
    """Check the datasets of a run that are here, as the run reads them; `path` is a copy of the first one's source."""
    if path is not None and not path.is_dir():
        raise RefusedError(f"{path} is a file: before overrides, give its directory, a local copy of the source")
    request = Request(tuple(overrides), directories(config_dirs), config_name)
    spec = _with_copy(request) if path is not None else sound(request)[0]
    if spec.dataset is None or spec.method is None:
        raise RefusedError("the run does not have a dataset: choose one, as with dataset=custom")
    parts = spec.dataset.parts.values()
    places = [_place(part.source, spec.dataset.source, path) for part in parts]
    if not any(isinstance(place, Path) for place in places):
        raise RefusedError(f"{places[0]}: give the directory of a local copy before the overrides")
    words = (*fetch.check_arguments(spec), *_tokenizer(tokenizer))
    found: list[CheckedDataset] = []
    for part, place in zip(parts, places, strict=True):
        if isinstance(place, Path):
            found += _check_part(part, place, spec.method.stage, words)
        else:
            found += [_unchecked(name, place) for name in part.used]
    return spec, found


def _with_copy(request: Request) -> JobSpec:
    """The spec; its first dataset may lack the address of its source, which the copy replaces."""
    state = compile_job(request)
    errors = [one for one in state.diagnostics if one.severity is Severity.ERROR]
    if state.composed is not None and errors and all(one.path[:2] == ("dataset", "source") for one in errors):
        data = state.composed.data
        copied = {**data, "dataset": {**data["dataset"], "source": {"kind": "path", "path": "/"}}}
        composed = msgspec.structs.replace(state.composed, data=copied)
        if not has_errors(validate(composed)):
            return msgspec.convert(copied, JobSpec)
    if errors or state.spec is None:
        raise RefusedError(findings=shown(state.diagnostics))
    return state.spec


def _place(source: Source, first: Source, copy: Path | None) -> Path | str:
    """The directory of a source on this machine, or why it is not there."""
    if copy is not None and source == first:
        return copy
    if not isinstance(source, OnVolume):
        return "the files are in a repository"
    place = Path(source.path)
    return place if place.is_dir() else f"the directory {place} does not exist here"


def _check_part(part: OneDataset, place: Path, stage: str, words: Sequence[str]) -> list[CheckedDataset]:
    names = [f"--dataset={name}" for name in part.used]
    if part.info is None:
        return _run(place, [*names, *words])
    with tempfile.TemporaryDirectory() as made:
        info = Path(made, DATASET_INFO)
        info.write_text(json.dumps(described(part.info, stage)), encoding="utf-8")
        return _run(place, ["--info", str(info), *names, *words])


def _unchecked(name: str, reason: str) -> CheckedDataset:
    note = Diagnostic(
        code=_UNCHECKED,
        rule=ABOUT[_UNCHECKED].name,
        message=f"dataset {name}: not checked: {reason}",
        severity=Severity.NOTE,
    )
    return CheckedDataset(name, stage="", files=(), rows=0, kept=0, tokens=None, findings=(note,), more={})


def card(path: Path, found: Sequence[CheckedDataset], info: dict[str, Any] | None = None) -> str:
    """The front matter of README.md: the files, the size and the task, which the datasets show, and nothing else."""
    root = path if path.is_dir() else path.parent
    known = info if info is not None else _described(path)
    columns = [column for one in found for column in known.get(one.name, {}).get("columns") or {}]
    tasks = [task for column, task in _TASKS.items() if column in columns]
    rows = sum(one.rows for one in found)
    is_counted = all(one.rows for one in found)
    size = next((name for most, name in _SIZES.items() if rows < most), _LARGEST)
    return (
        "---\n"
        + dump(
            {
                "task_categories": tasks or ["text-generation"],
                **({"size_categories": [size]} if is_counted else {}),
                "configs": [
                    {"config_name": one.name, "data_files": _data_files(one, root)} for one in found if one.files
                ],
            }
        )
        + "---\n"
    )


def _described(path: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((path / DATASET_INFO).read_text(encoding="utf-8")) if path.is_dir() else {}
    return info


def _data_files(one: CheckedDataset, root: Path) -> list[dict[str, Any]]:
    places = sorted(Path(file).resolve() for file in one.files)
    below = [place.relative_to(root.resolve()).as_posix() for place in places if place.is_relative_to(root.resolve())]
    if len(below) < len(places):
        raise RefusedError(f"dataset {one.name} has files outside of {root}: a hub cannot have them")
    return [{"split": "train", "path": below[0] if len(below) == 1 else below}]


def _tokenizer(file: Path | None) -> list[str]:
    return ["--tokenizer", str(file)] if file else []


def _run(path: Path, words: list[str]) -> list[CheckedDataset]:
    script = directory("scripts") / "check_dataset.py"
    command = [sys.executable, str(script), *words, "--json", "--", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ftc's own script
    if done.returncode < 0:
        raise RefusedError(f"the rows were not checked: {signal.Signals(-done.returncode).name} ended the check")
    if done.returncode not in (0, _FAILS):
        raise RuntimeError(f"{script.name} ended with status {done.returncode}")  # it has said why
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
        help=ABOUT[one["code"]].help,
    )
