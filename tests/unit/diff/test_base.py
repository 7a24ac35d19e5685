"""`ftc diff --base` with the cases of a repository, if one of the two sides lacks something."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from unit.compiling import Said, ftc
from unit.diff.test_revision import GIT

CASE = "why: A test.\nconfig: {name}\ntargets: [volcano]\n"
RUN = "defaults: [config, _self_]\nname: {name}\nnodes: 1\n"


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    Path("README").write_text("x\n")
    commit()


def git(*words: str) -> None:
    subprocess.run([*GIT, *words], check=True, capture_output=True)


def commit() -> None:
    git("add", "-A")
    git("commit", "-qm", "x")


def case(name: str) -> None:
    """A run and its case, which is compiled."""
    (Path("golden") / name).mkdir(parents=True)
    (Path("golden") / name / "case.yaml").write_text(CASE.format(name=name))
    Path("conf").mkdir(exist_ok=True)
    (Path("conf") / f"{name}.yaml").write_text(RUN.format(name=name))
    assert ftc("golden", "update", name).exit_code == 0


def edit(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def diff(*words: str) -> Said:
    return ftc("diff", "--base", "HEAD", *words)


def statuses(*words: str) -> list[tuple[str, str]]:
    said = diff("--json", *words)
    assert said.exit_code == 0, said
    return [(one["run"], one["status"]) for one in json.loads(said.stdout)]


def test_the_first_pull_request_adds_every_case() -> None:
    case("one")
    case("two")
    assert statuses() == [("one", "added"), ("two", "added")]
    said = diff()
    assert said.stdout.startswith("one: added\n  Job.batch.volcano.sh/one-\n")
    assert (said.stderr.splitlines()[0], said.exit_code) == ("ftc: 2 runs added", 0)
    comment = diff("--format", "markdown")
    assert (comment.stdout.splitlines()[0], comment.exit_code) == ("**2 of 2 runs are added**", 0)


def test_cases_in_a_directory_that_was_moved_are_added() -> None:
    case("one")
    commit()
    Path("golden").rename("runs")
    assert statuses("--dir", "runs") == [("one", "added")]


def test_cases_of_a_deleted_directory_are_removed() -> None:
    case("one")
    commit()
    shutil.rmtree("golden")
    shutil.rmtree("conf")
    assert statuses() == [("one", "removed")]
    assert diff().stdout.startswith("one: removed\n")


def test_without_a_case_on_either_side_nothing_can_be_compared() -> None:
    for directory in ("golden", "runs"):
        said = diff("--dir", directory)
        expected = f"ftc: neither {directory} nor {directory} at HEAD has a case: give overrides, -c or --dir\n"
        assert said == Said("", expected, 1)


def test_a_refused_case_does_not_hide_the_changes_of_the_others() -> None:
    case("broken")
    case("good")
    commit()
    edit("conf/broken.yaml", "nodes: 1", "nodes: 0")
    edit("conf/good.yaml", "nodes: 1", "nodes: 2")
    said = diff()
    assert said.stdout.startswith("good: changed\n")
    assert "  ~ spec.tasks[worker].replicas\n      1 → 2\n" in said.stdout
    assert "ftc: case broken is refused:\n" in said.stderr
    assert said.stderr.count("error[FTC012") == 1
    assert " in 1 object, 1 run does not compile\n" in said.stderr
    assert said.exit_code == 1


def test_if_only_a_refused_case_differs_the_total_counts_it() -> None:
    case("broken")
    case("good")
    commit()
    edit("conf/broken.yaml", "nodes: 1", "nodes: 0")
    said = diff()
    assert (said.stdout, said.exit_code) == ("", 1)
    assert "ftc: 1 run does not compile\n" in said.stderr


CONFLICT = "<<<<<<< HEAD\n  minAvailable: 1\n=======\n  minAvailable: 3\n>>>>>>> other\n"


@pytest.mark.parametrize(("words", "changes"), [((), 0), (("nodes: 1", "nodes: 2"), 1)])
def test_a_golden_file_of_the_base_with_conflict_markers_is_not_a_difference(
    words: tuple[str, ...], changes: int
) -> None:
    case("one")
    edit("golden/one/volcano.yaml", "  minAvailable: 1\n", CONFLICT)
    commit()
    if words:
        edit("conf/one.yaml", *words)
    said = diff()
    assert said.stdout.count("  ~ spec.minAvailable\n      1 → 2\n") == changes
    assert "+ Job.batch" not in said.stdout
    assert words or said.stdout == ""
    expected = "golden/one/volcano.yaml at HEAD, line {}: is not YAML: merge conflict markers; case one is compared "
    line = 1 + Path("golden/one/volcano.yaml").read_text().split("\n").index("<<<<<<< HEAD")
    assert f"ftc: {expected.format(line)}with what it compiles to there\n" in said.stderr
    assert said.exit_code == 0
    assert "merge conflict markers" in diff("--format", "markdown").stdout


def test_a_case_of_the_base_with_conflict_markers_everywhere_is_new() -> None:
    case("one")
    edit("golden/one/volcano.yaml", "  minAvailable: 1\n", CONFLICT)
    edit("conf/one.yaml", "nodes: 1\n", CONFLICT)
    commit()
    Path("conf/one.yaml").write_text(RUN.format(name="one"))
    assert statuses() == [("one", "added")]
    said = diff().stderr
    assert "ftc: case one does not compile at HEAD (FTC002): counted as new\n" in said
    assert "is not YAML: merge conflict markers\n" in said


def test_conflict_markers_in_conf_are_named() -> None:
    case("one")
    edit("conf/one.yaml", "nodes: 1\n", CONFLICT)
    said = ftc("golden", "check")
    assert "conf/one.yaml:3:1: error[FTC002 unreadable-file]: is not YAML: merge conflict markers\n" in said.stderr
    assert said.exit_code == 1


@pytest.mark.parametrize("name", ["spec.yaml", "volcano.yaml"])
def test_a_golden_file_of_the_base_that_is_not_utf8_is_not_a_bug(name: str) -> None:
    case("one")
    file = Path("golden/one", name)
    file.write_bytes(file.read_bytes() + b"# \xff\n")
    commit()
    said = diff()
    assert (said.stdout, said.exit_code) == ("", 0)
    assert ("is not UTF-8" in said.stderr) == (name == "volcano.yaml")


@pytest.mark.parametrize("name", ["case.yaml", "case.yml"])
def test_a_case_with_a_dangling_link_or_another_name_is_refused_not_removed(name: str) -> None:
    case("one")
    commit()
    Path("golden/one/case.yaml").rename("golden/one/renamed.yaml")
    Path("golden/one", name).symlink_to("gone")
    said = diff("--json")
    assert [(one["run"], one["status"]) for one in json.loads(said.stdout)] == [("one", "does not compile")]
    assert said.exit_code == 1
