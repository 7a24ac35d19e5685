"""`ftc compile -m` writes every combination as a whole, and reports the refused ones."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ftc.driver import Request, compile_job
from unit.compiling import artifacts, ftc, objects
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.compose import Conf
    from ftc.driver import State

MATRIX = ("hardware=ascend,h800", "nodes=1,2", "devices=8")
POINTS = [f"hardware={hardware},nodes={nodes}" for hardware in ("ascend", "h800") for nodes in (1, 2)]
# With one node, a volume may be one that no other node can reach.
REFUSING = ("storage=existing-claim", "nodes=1,2", "devices=8")


def directories(root: Path) -> set[str]:
    """The directories of runs, and the user's."""
    return {one.name for one in root.iterdir() if one.is_dir()} - {"manifests"}


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode() for file in directory.iterdir()}


def index(root: Path) -> Any:
    return json.loads((root / "index.json").read_text(encoding="utf-8"))


def test_each_combination_is_what_a_compile_of_it_alone_writes(tmp_path: Path) -> None:
    said = ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    assert (said.exit_code, said.stdout, said.stderr) == (0, "", f"ftc: wrote 4 of 4 runs to {tmp_path}\n")
    assert directories(tmp_path) == set(POINTS)
    for point in POINTS:
        found = contents(tmp_path / point)
        name = load(found["spec.yaml"])["name"]  # no other point has it
        alone = artifacts(*point.split(","), "devices=8", f"name={name}")
        assert objects(found.pop("volcano.yaml")) == objects(alone.pop("volcano.yaml"))
        assert found == alone


def test_the_index_lists_the_combinations_in_order(tmp_path: Path) -> None:
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    runs = index(tmp_path)["runs"]
    assert [run["directory"] for run in runs] == POINTS
    assert runs[1]["overrides"] == ["hardware=ascend", "nodes=2", "devices=8"]
    assert runs[1]["files"] == ["spec.yaml", "volcano.yaml", "train.yaml", "merge.yaml", "dataset_info.json"]
    assert index(tmp_path)["refused"] == []


def test_a_refused_run_is_reported_and_the_others_are_written(tmp_path: Path) -> None:
    said = ftc("compile", "-m", *REFUSING, "-o", str(tmp_path))
    assert said.exit_code == 1
    assert directories(tmp_path) == {"nodes=1"}
    assert set(contents(tmp_path / "manifests")) == {"nodes=1.yaml"}
    assert f"ftc: wrote 1 of 2 runs to {tmp_path}\n" in said.stderr
    (row,) = [line for line in said.stderr.splitlines() if line.startswith("  nodes=2")]
    assert "FTC201  storage.workspace: 2 nodes need one workspace" in row
    (refused,) = index(tmp_path)["refused"]
    assert refused["overrides"] == ["storage=existing-claim", "nodes=2", "devices=8"]
    assert refused["diagnostics"][0]["code"] == "FTC201"


@pytest.mark.parametrize(
    ("targets", "file"),
    [
        ((), "volcano.yaml"),
        (("job",), "job.yaml"),
        (("job", "volcano", "storage"), "volcano.yaml"),
        (("llamafactory",), None),
    ],
)
def test_one_directory_has_the_manifest_that_runs_each_combination(
    tmp_path: Path, targets: tuple[str, ...], file: str | None
) -> None:
    chosen = [word for target in targets for word in ("-t", target)]
    ftc("compile", "-m", *MATRIX, *chosen, "-o", str(tmp_path))
    expected = {f"{point}.yaml": contents(tmp_path / point)[file] for point in POINTS} if file else None
    manifests = tmp_path / "manifests"
    assert (contents(manifests) if manifests.exists() else None) == expected


def test_the_directory_of_manifests_has_no_manifest_of_an_earlier_matrix(tmp_path: Path) -> None:
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    ftc("compile", "-m", "nodes=1,2", "-o", str(tmp_path))
    assert set(contents(tmp_path / "manifests")) == {"nodes=1.yaml", "nodes=2.yaml"}
    (tmp_path / "manifests" / "mine.yaml").write_text("mine")
    said = ftc("compile", "-m", "nodes=1,4", "-o", str(tmp_path))
    assert (said.exit_code, directories(tmp_path)) == (1, {"nodes=1", "nodes=2"})
    assert "manifests has files that ftc did not write (mine.yaml)" in said.stderr


def test_a_matrix_without_any_valid_run_is_refused(tmp_path: Path) -> None:
    said = ftc("compile", "-m", "storage=existing-claim", "nodes=2,4", "devices=8", "-o", str(tmp_path))
    assert said.exit_code == 1
    assert directories(tmp_path) == set()


def test_a_finding_of_many_runs_is_reported_once(tmp_path: Path) -> None:
    hidden = ("hardware=ascend", "devices=8", "storage.workspace.mount_path=/usr/local/Ascend")
    said = ftc("compile", "-m", "nodes=1,2", "train.logging_steps=5,10", *hidden, "-o", str(tmp_path))
    assert said.exit_code == 0
    (row,) = [line for line in said.stderr.splitlines() if "FTC323" in line]
    assert row.startswith("  nodes=1 train.logging_steps=5 and 3 more  warning  FTC323  ")
    assert index(tmp_path)["runs"][0]["codes"] == ["FTC323"]


def test_runs_refused_for_one_reason_are_reported_once(tmp_path: Path) -> None:
    said = ftc("compile", "-m", *REFUSING, "train.logging_steps=1,2,3", "-o", str(tmp_path))
    (row,) = [line for line in said.stderr.splitlines() if "FTC201" in line]
    assert row.startswith("  nodes=2 train.logging_steps=1 and 2 more  FTC201  storage.workspace: 2 nodes need")
    assert len(index(tmp_path)["refused"]) == 3
    assert f"refused ({tmp_path}/index.json lists all):\n" in said.stderr


def test_two_findings_of_one_rule_are_both_reported(tmp_path: Path) -> None:
    said = ftc("compile", "-m", "ignore=[FTC301],[FTC302]", "-o", str(tmp_path))
    rows = [line.split()[:3] for line in said.stderr.splitlines()[2:]]
    assert rows == [[f"ignore=[{code}]", "warning", "FTC015"] for code in ("FTC301", "FTC302")]


def test_findings_are_one_document_with_format(tmp_path: Path) -> None:
    said = ftc("compile", "-m", *REFUSING, "-o", str(tmp_path), "--format", "json")
    assert [one["code"] for one in json.loads(said.stderr)] == ["FTC201"]


def test_findings_are_annotations_of_a_workflow(tmp_path: Path) -> None:
    said = ftc("compile", "-m", "nodes=0,1", "-o", str(tmp_path), "--format", "github")
    assert said.stderr.startswith("::error title=FTC012 invalid-value::")
    assert "ftc: wrote 1 of 2 runs" in said.stderr


def test_no_name_and_no_message_has_a_secret(tmp_path: Path) -> None:
    said = ftc("compile", "-m", "env.API_TOKEN=hunter22,hunter33", "-o", str(tmp_path))
    assert said.exit_code == 0, said
    names = [str(place.relative_to(tmp_path)) for place in tmp_path.rglob("*")]
    assert len({name for name in names if name.startswith("manifests/")}) == 2
    assert "hunter" not in " ".join((*names, said.stderr, (tmp_path / "index.json").read_text()))
    assert "env.API_TOKEN: API_TOKEN has a literal value" in said.stderr


def test_a_second_run_removes_old_directories_and_keeps_equal_ones(tmp_path: Path) -> None:
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    before = (tmp_path / POINTS[0]).stat().st_ino
    (tmp_path / "notes").mkdir()
    said = ftc("compile", "-m", "hardware=ascend", "nodes=1,2", "devices=8", "-o", str(tmp_path))
    assert said.exit_code == 0
    assert directories(tmp_path) == {"nodes=1", "nodes=2", "notes"}
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    unchanged = (tmp_path / POINTS[0]).stat().st_ino
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    assert (tmp_path / POINTS[0]).stat().st_ino == unchanged
    assert before


def test_a_directory_with_a_users_file_is_not_replaced(tmp_path: Path) -> None:
    ftc("compile", "-m", *MATRIX, "-o", str(tmp_path))
    (tmp_path / POINTS[1] / "notes.md").write_text("mine")
    said = ftc("compile", "-m", *MATRIX, "train.logging_steps=7", "-o", str(tmp_path))
    assert said.exit_code == 1
    assert "notes.md" in said.stderr
    assert (tmp_path / POINTS[1] / "notes.md").read_text() == "mine"


def everything(root: Path) -> dict[str, str]:
    return {str(file.relative_to(root)): file.read_text() for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize("mine", ["nodes=1", "nodes=3", "nodes=5"])
def test_nothing_is_changed_if_a_users_file_is_in_the_way(tmp_path: Path, mine: str) -> None:
    ftc("compile", "-m", "nodes=1,3,5", "-o", str(tmp_path))
    (tmp_path / mine / "notes.txt").write_text("mine")
    before = everything(tmp_path)
    said = ftc("compile", "-m", "nodes=1,4", "-o", str(tmp_path))
    assert said.exit_code == 1
    assert f"{mine} has files that ftc did not write (notes.txt)" in said.stderr
    assert everything(tmp_path) == before
    assert not (tmp_path / ".ftc-unfinished").exists()


def test_removals_are_reported(tmp_path: Path) -> None:
    ftc("compile", "-m", "nodes=1,2,3,4", "-o", str(tmp_path))
    told = []
    for nodes in ("1,2", "1,4", "1,4"):
        said = ftc("compile", "-m", f"nodes={nodes}", "-o", str(tmp_path))
        told.append(said.stderr.removeprefix(f"ftc: wrote 2 of 2 runs to {tmp_path}\n"))
    assert told == ["ftc: removed 2 runs of the previous compile\n", "ftc: removed 1 run of the previous compile\n", ""]


def test_the_output_of_an_interrupted_matrix_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter([compile_job, compile_job])

    def interrupted(request: Request, conf: Conf) -> State:
        if run := next(runs, None):
            return run(request, conf)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ftc.cli.matrix.compile_job", interrupted)
        assert ftc("compile", "-m", "nodes=1,2,3,4", "-o", str(tmp_path)).exit_code != 0
    assert directories(tmp_path) == {"nodes=1", "nodes=2", ".ftc-unfinished"}
    assert list(tmp_path.glob(".ftc-unfinished/**/*.yaml")) == []
    said = ftc("compile", "-m", "nodes=2,5", "-o", str(tmp_path))
    assert directories(tmp_path) == {"nodes=2", "nodes=5"}
    assert "ftc: removed 1 run of the previous compile\n" in said.stderr


def test_a_run_that_is_refused_now_is_removed(tmp_path: Path) -> None:
    ftc("compile", "-m", "nodes=1,2", "devices=8", "-o", str(tmp_path))
    said = ftc("compile", "-m", *REFUSING, "-o", str(tmp_path))
    assert directories(tmp_path) == {"nodes=1"}
    assert "ftc: removed 1 run of the previous compile\n" in said.stderr


@pytest.mark.parametrize("text", ["[]", "mine", '{"runs": [{"directory": "../other"}]}'])
def test_an_index_of_another_program_is_not_trusted(tmp_path: Path, text: str) -> None:
    root = tmp_path / "root"
    ftc("compile", "-o", str(tmp_path / "other"))
    root.mkdir()
    (root / "index.json").write_text(text)
    said = ftc("compile", "-m", "nodes=1,2", "-o", str(root))
    assert (tmp_path / "other" / "spec.yaml").exists()
    assert said.exit_code == (0 if "other" in text else 1)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("nodes=1,2",), 2, "-o DIR"),
        (("nodes=2", "-o", "out"), 1, "no override gives several values"),
        (("nodes=1,2", "-j", "0", "-o", "out"), 2, "0 is not in the range x>=1"),
        (("nodes=1,1", "-o", "out"), 1, "gives the same value twice"),
        (("hardware=ascnd,h800", "-o", "out"), 1, "did you mean 'ascend'?"),
    ],
)
def test_a_mistaken_matrix_gets_an_answer(
    arguments: tuple[str, ...], exit_code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = ftc("compile", "-m", *arguments)
    assert said.exit_code == exit_code
    assert told in said.stderr


def test_processes_are_for_a_matrix() -> None:
    said = ftc("compile", "-j", "2")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "-j is for the runs of a matrix: give -m" in said.stderr


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "ftc.cli.main", "compile", "-m", "nodes=range(1,41)", "-o", str(tmp_path)]
    with subprocess.Popen(command, stderr=end) as process:
        os.close(end)
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    assert b"\rftc: " in shown
    assert b" of 40" in shown
    assert shown.endswith(b"\x1b[Kftc: wrote 40 of 40 runs to " + os.fsencode(tmp_path) + b"\r\n")


@pytest.mark.parametrize("name", ["nodes=1", ".ftc-unfinished"])
def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path, name: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    ftc("compile", "-o", str(elsewhere))
    out.mkdir()
    (out / name).symlink_to(elsewhere)
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    said = ftc("compile", "-m", "nodes=1,2", "-o", str(out))
    assert said.exit_code == (name == "nodes=1"), said
    assert "Traceback" not in said.stderr
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == before
