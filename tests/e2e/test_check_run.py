"""The result of an earlier run is used only if that run has finished the step that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import PodScripts, pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    return pod_scripts(tmp_path / "ftc", {})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with two finished runs, one without a merge and one that is not finished."""
    for run, markers in {"a": ("train", "merge"), "b": ("train", "merge"), "c": ("train",), "d": ()}.items():
        (tmp_path / "runs" / run).mkdir(parents=True)
        for marker in markers:
            (tmp_path / "runs" / run / f"{marker}.done").write_text("now", encoding="utf-8")
    return tmp_path / "runs"


def test_the_check_of_the_result_follows_if_the_run_has_finished(scripts: PodScripts, workspace: Path) -> None:
    done = scripts.run("check_run.sh", "echo", "checked", RUN_MARKER=f"{workspace}/a/merge.done")
    assert (done.status, done.log) == (0, "checked\n")


@pytest.mark.parametrize(
    ("run", "step", "reason"),
    [
        ("c", "merge", "has not finished its step 'merge'"),
        ("d", "train", "has not finished its step 'train'"),
        ("e", "merge", "does not exist; the runs that have finished the step 'merge' are: a b"),
        ("e", "quantize", "does not exist, and no other run has finished the step 'quantize'"),
    ],
)
def test_a_run_without_the_result_is_reported(
    scripts: PodScripts, workspace: Path, run: str, step: str, reason: str
) -> None:
    done = scripts.run("check_run.sh", "echo", "checked", RUN_MARKER=f"{workspace}/{run}/{step}.done")
    assert done.status == 1
    assert reason in done.log
    assert "checked" not in done.log


def test_an_empty_marker_is_none(scripts: PodScripts, workspace: Path) -> None:
    (workspace / "a" / "merge.done").write_bytes(b"")
    done = scripts.run("check_run.sh", "true", RUN_MARKER=f"{workspace}/a/merge.done")
    assert done.status == 1
