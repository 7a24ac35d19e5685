"""A pod checks the rows before the training: an error ends the fetch, and a checked download is not read again."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import Ended, pod_scripts
from unit.scripts.broken_datasets import BROKEN, GOOD, lines, row

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.pod_scripts import PodScripts

pytestmark = pytest.mark.e2e

WORDS = "--dataset broken --stage sft"


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    """The scripts of a pod."""
    return pod_scripts(tmp_path / "ftc", {})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of a finished download."""
    place = tmp_path / "source-1f0c2a9e" / "files"
    place.mkdir(parents=True)
    return place


def write(files: Path, *rows: object) -> None:
    (files / "data.jsonl").write_bytes(lines(*rows)["data.jsonl"])
    (files / "dataset_info.json").write_text('{"broken": {"file_name": "data.jsonl"}}', encoding="utf-8")


def check(scripts: PodScripts, files: Path, words: str = WORDS, **environment: str) -> Ended:
    """Check a dataset that is described in its source."""
    described = {"EXPECT_DATASETS": "broken", "FETCHED": "true", **environment}
    return scripts.run("check_path.sh", TARGET_DIR=str(files), CHECK_DATASET=words, **described)


@pytest.mark.parametrize("name", ["a line is cut", "a number among texts", "a column that is missing"])
def test_an_error_ends_the_fetch_and_names_the_row(scripts: PodScripts, files: Path, name: str) -> None:
    broken = BROKEN[name]
    broken.write(files)
    done = check(scripts, files)
    assert done.status == 1, done.log
    assert done.says(f"data.jsonl:{broken.line}, row {broken.row}: ")
    assert done.says(f"[{broken.code}]")
    assert done.says("error: the trainer would fail on the rows above: correct them, or set dataset.check=false")
    assert not (files.parent / ".ftc-checked").exists()


def test_a_warning_is_in_the_log_and_the_fetch_succeeds(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD, row(output=None))
    done = check(scripts, files)
    assert (done.status, done.says("row 2: the trainer drops the row: the answer is missing")) == (0, True), done.log
    assert done.says("1 of 2 rows are used in stage sft")


def test_a_checked_download_is_checked_again_only_if_something_changes(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD, GOOD)
    assert check(scripts, files).says("2 of 2 rows are used")
    again = check(scripts, files)
    assert (again.status, again.says("the rows were checked by an earlier run")) == (0, True), again.log
    assert check(scripts, files, f"{WORDS} --most-rows 1").says("1 of 1 rows are used")
    info = {"broken": {"file_name": "data.jsonl", "columns": {"prompt": "input", "response": "output"}}}
    (files / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    assert check(scripts, files, f"{WORDS} --most-rows 1").says("1 of 1 rows are used")


def test_a_volume_is_checked_each_time_and_gets_no_marker(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD)
    for _ in range(2):
        assert check(scripts, files, FETCHED="false").says("1 of 1 rows are used")
    assert [entry.name for entry in files.parent.iterdir()] == ["files"]


def test_a_link_in_the_place_of_the_marker_is_neither_read_nor_followed(
    scripts: PodScripts, files: Path, tmp_path: Path
) -> None:
    write(files, GOOD)
    (tmp_path / "mine").write_text("kept", encoding="utf-8")
    (files.parent / ".ftc-checked").symlink_to(tmp_path / "mine")
    assert check(scripts, files).says("1 of 1 rows are used")
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "kept"


def test_the_compiled_description_is_used(scripts: PodScripts, files: Path) -> None:
    write(files, {"ask": "a", "say": "b"})
    (files / "dataset_info.json").unlink()
    entry = {"file_name": str(files / "data.jsonl"), "columns": {"prompt": "ask", "response": "say"}}
    scripts.write("dataset_info.json", json.dumps({"broken": entry}))
    done = check(scripts, files, EXPECT_DATASETS="")
    assert (done.status, done.says("1 of 1 rows are used in stage sft")) == (0, True), done.log


@pytest.mark.parametrize("name", ["-x", "two words", "it's"])
def test_a_name_is_neither_an_option_nor_two_words(scripts: PodScripts, files: Path, name: str) -> None:
    write(files, GOOD)
    (files / "dataset_info.json").write_text(json.dumps({name: {"file_name": "data.jsonl"}}), encoding="utf-8")
    done = check(scripts, files, shlex.join([f"--dataset={name}", "--stage", "sft"]), EXPECT_DATASETS=name)
    assert (done.status, done.says(f"dataset {name}: 1 of 1 rows are used in stage sft")) == (0, True), done.log


def test_a_prefetch_without_the_description_checks_nothing(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD)
    done = check(scripts, files, EXPECT_DATASETS="")
    assert (done.status, done.log) == (0, "")


def test_a_check_that_fails_itself_does_not_end_the_fetch(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD)
    (scripts.root / "dataset_rows.py").write_text("raise SystemExit(9)\n", encoding="utf-8")
    done = check(scripts, files)
    assert (done.status, done.says("not all rows were checked: the check ended with status 9")) == (0, True), done.log


def test_a_check_that_takes_too_long_does_not_end_the_fetch(scripts: PodScripts, files: Path) -> None:
    write(files, GOOD)
    (scripts.root / "dataset_rows.py").write_text("import time\ntime.sleep(3600)\n", encoding="utf-8")
    done = check(scripts, files, FETCH_TIMEOUT="2")
    assert (done.status, done.says("not all rows were checked: the check ended with status 124")) == (0, True), done.log
