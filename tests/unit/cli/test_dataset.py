"""`ftc dataset`: the check of a file, of a directory, and of a run's dataset in a local copy."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.rules.data import ABOUT
from unit.compiling import ftc
from unit.scripts.broken_datasets import BROKEN, GOOD, lines, row

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of a repository with the dataset identity_alauda, of which one row is dropped."""
    place = tmp_path / "clone"
    place.mkdir()
    (place / "data.jsonl").write_bytes(lines(*[GOOD] * 39, row(output=None))["data.jsonl"])
    info = {"identity_alauda": {"file_name": "data.jsonl"}}
    (place / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return place


def test_a_file_is_checked_and_each_finding_shows_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(lines(GOOD, row(output=None), row(output=5))["data.jsonl"])
    said = ftc("dataset", "check", str(tmp_path / "mine.jsonl"))
    assert (said.exit_code, said.stderr) == (1, "")
    assert f"{tmp_path}/mine.jsonl:2:1: warning[FTC161 dataset-row-dropped]: dataset mine: row 2:" in said.stdout
    assert f"{tmp_path}/mine.jsonl:3:1: error[FTC153 dataset-types-differ]: dataset mine: row 3:" in said.stdout
    assert said.stdout.endswith("dataset mine: 1 of 2 rows used in stage sft, 1 file\n")


def test_a_check_that_is_killed_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(lines(*[GOOD] * 500_000)["data.jsonl"])
    limited = ["bash", "-c", 'ulimit -t 1; exec "$@"', "bash", sys.executable, "-m", "ftc", "dataset", "check"]
    done = subprocess.run([*limited, str(tmp_path / "mine.jsonl")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "ftc: the rows were not checked: SIGKILL ended the check\n")


def test_the_report_is_also_data(clone: Path) -> None:
    said = ftc("dataset", "check", str(clone), "--json")
    (found,) = json.loads(said.stdout)
    assert (said.exit_code, found["rows"], found["kept"], found["stage"]) == (0, 40, 39, "sft")
    (finding,) = found["findings"]
    assert (finding["code"], finding["line"], finding["file"]) == ("FTC161", 40, str(clone / "data.jsonl"))


def test_a_run_reads_a_local_copy_of_its_source(clone: Path) -> None:
    said = ftc("dataset", "check", str(clone), "dataset=identity-alauda", "train.per_device_train_batch_size=4")
    assert said.exit_code == 0, said
    assert "dataset identity_alauda: 39 of 40 rows used in stage sft" in said.stdout
    assert "39 rows: " in said.stdout


@pytest.mark.parametrize(
    ("override", "used"),
    [
        ("train.max_samples=10", "10 of 10 rows"),
        ("method=lora-pt", "40 of 40 rows"),
        ("method=lora-kto", "0 of 40 rows"),
    ],
)
def test_the_run_decides_what_is_read(clone: Path, override: str, used: str) -> None:
    said = ftc("dataset", "check", str(clone), "dataset=identity-alauda", override, "train.packing=false")
    assert f"identity_alauda: {used} used" in said.stdout


def test_the_description_of_the_spec_is_used(clone: Path) -> None:
    info = "dataset.info={mine: {file_name: data.jsonl, columns: {prompt: question, response: output}}}"
    said = ftc("dataset", "check", str(clone), "dataset=custom", "dataset.id=mine", "dataset.names=[mine]", info)
    assert said.exit_code == 1
    assert "error[FTC154 dataset-column-missing]: dataset mine: row 1: the column 'question' is missing" in said.stdout
    assert "\n  help: say in the description which columns the rows have, such as columns: {prompt: " in said.stdout


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Options of the group dataset: faq and more, which are directories of this machine, 3 rows and 1 row."""
    for name, count in {"faq": 3, "more": 1}.items():
        place = tmp_path / f"{name}'s data"
        place.mkdir()
        (place / "data.jsonl").write_bytes(lines(*[GOOD] * count)["data.jsonl"])
        option = tmp_path / "conf" / "dataset" / f"{name}.yaml"
        option.parent.mkdir(parents=True, exist_ok=True)
        option.write_text(
            yaml.safe_dump(
                {"source": {"kind": "path", "path": str(place)}, "info": {name: {"file_name": "data.jsonl"}}}
            ),
            encoding="utf-8",
        )
    return tmp_path / "conf"


def words(conf: Path, *overrides: str) -> tuple[str, ...]:
    return ("dataset", "check", "--config-dir", str(conf), *overrides)


def test_every_dataset_of_a_run_is_checked(conf: Path) -> None:
    said = ftc(*words(conf, "dataset=[faq,more]", "train.per_device_train_batch_size=1"))
    assert said.exit_code == 0, said
    assert "dataset faq: 3 of 3 rows used" in said.stdout
    assert "dataset more: 1 of 1 row used" in said.stdout
    assert "\n4 rows: " in said.stdout


def test_an_error_in_further_data_or_in_that_of_the_evaluation_is_found(conf: Path) -> None:
    (conf.parent / "more's data" / "data.jsonl").write_text("{", encoding="utf-8")
    assert ftc(*words(conf, "dataset=[faq,more]")).exit_code == 1
    said = ftc(*words(conf, "dataset=faq", "+dataset@dataset.evaluation.more=more"))
    assert said.exit_code == 1, said
    assert "error[FTC152 dataset-not-readable]: dataset more:" in said.stdout


def test_a_dataset_that_is_elsewhere_gets_a_note_and_the_steps_are_left_out(conf: Path) -> None:
    said = ftc(*words(conf, "dataset=[faq,alpaca]"))
    assert said.exit_code == 0, said
    assert "note[FTC166 dataset-not-checked]: dataset alpaca: not checked: the files are in a repository" in said.stdout
    assert "per epoch" not in said.stdout


def test_the_rows_of_the_evaluation_are_not_among_the_steps(conf: Path) -> None:
    said = ftc(*words(conf, "dataset=faq", "+dataset@dataset.evaluation.more=more"))
    assert "\n3 rows: " in said.stdout, said


def test_a_copy_replaces_the_source_of_an_option(conf: Path, clone: Path) -> None:
    said = ftc("dataset", "check", str(clone), "--config-dir", str(conf), "dataset=[faq,more]")
    assert (said.exit_code, said.stderr) == (0, ""), said
    assert "dataset faq: 39 of 40 rows used" in said.stdout
    assert "dataset more: 1 of 1 row used" in said.stdout


@pytest.mark.parametrize("name", ["o'brien", "${oc.env:HOME}", "-x"])
def test_the_path_of_a_copy_is_not_read_as_an_override(clone: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clone.rename(clone.parent / name)
    monkeypatch.chdir(clone.parent)
    said = ftc("dataset", "check", "--", name, "dataset=identity-alauda")
    assert (said.exit_code, said.stderr) == (0, ""), said


def test_a_text_file_needs_no_description_of_its_column(tmp_path: Path) -> None:
    (tmp_path / "articles.txt").write_text("An article\nAnother one\n", encoding="utf-8")
    info = ("dataset=custom", "dataset.info.articles.file_name=articles.txt")
    said = ftc("dataset", "check", str(tmp_path), *info, "method=lora-pt", "train.packing=false")
    assert said.exit_code == 0, said
    assert "dataset articles: 2 of 2 rows used in stage pt" in said.stdout


def test_a_name_that_begins_like_an_option_is_a_name(clone: Path) -> None:
    info = "dataset.info={-x: {file_name: data.jsonl}}"
    said = ftc("dataset", "check", str(clone), "dataset=custom", info, "dataset.names=[-x]")
    assert said.exit_code == 0, said
    assert "dataset -x: 39 of 40 rows used" in said.stdout


def test_a_file_whose_name_begins_like_an_option_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "-x.jsonl").write_bytes(lines(GOOD)["data.jsonl"])
    monkeypatch.chdir(tmp_path)
    said = ftc("dataset", "check", "--", "-x.jsonl")
    assert (said.exit_code, said.stdout) == (0, "dataset -x: 1 of 1 row used in stage sft, 1 file\n")


def test_a_name_cannot_be_a_command_to_a_ci_system(clone: Path) -> None:
    info = {"a\n::error::b\x1b[2J": {"file_name": "data.jsonl"}}
    (clone / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    said = ftc("dataset", "check", str(clone))
    assert said.exit_code == 0
    assert "39 of 40 rows used" in said.stdout
    assert "\n::" not in said.stdout
    assert "\x1b" not in said.stdout


def test_a_stage_next_to_a_run_is_a_mistake_of_the_command_line(clone: Path) -> None:
    said = ftc("dataset", "check", str(clone), "dataset=identity-alauda", "--stage", "pt")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "--stage" in said.stderr


def test_a_run_wants_the_directory_of_a_file(clone: Path) -> None:
    said = ftc("dataset", "check", str(clone / "data.jsonl"), "dataset=identity-alauda")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "data.jsonl is a file: before overrides, give its directory" in said.stderr


def test_an_empty_word_is_a_mistake_of_the_command_line(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    assert ftc("dataset", "check", "").exit_code == 2


def test_a_directory_that_describes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{}", encoding="utf-8")
    said = ftc("dataset", "check", str(tmp_path))
    assert said.exit_code == 1
    assert "describes nothing" in said.stdout


def test_a_source_that_is_elsewhere_needs_a_path() -> None:
    said = ftc("dataset", "check", "dataset=alpaca")
    assert said.exit_code == 1
    assert "give the directory of a local copy before the overrides" in said.stderr


def test_a_run_that_is_refused_says_why(clone: Path) -> None:
    said = ftc("dataset", "check", str(clone), "dataset=identity-alauda", "nodez=2")
    assert said.exit_code == 1
    assert "unknown-key" in said.stderr


def test_without_a_copy_the_address_of_the_source_is_needed() -> None:
    said = ftc("dataset", "check", "dataset=identity-alauda")
    assert said.exit_code == 1
    assert "error[FTC005 missing-value]: dataset.source.url: needs a value" in said.stderr


def test_a_word_that_is_neither_a_path_nor_an_override_is_a_mistake_of_the_command_line() -> None:
    said = ftc("dataset", "check", "nowhere.jsonl")
    assert said.exit_code == 2
    assert "'nowhere.jsonl' does not exist; an override" in said.stderr


@pytest.mark.parametrize("code", ABOUT)
def test_each_code_has_a_page(code: str) -> None:
    said = ftc("rule", code)
    assert said.exit_code == 0
    assert ABOUT[code].name in said.stdout


def test_each_code_of_a_broken_dataset_is_explained() -> None:
    found: dict[str, Any] = {broken.code: broken.severity for broken in BROKEN.values()}
    assert {code: ABOUT[code].severity.value for code in found} == found


def front_matter(text: str) -> dict[str, Any]:
    """The YAML between the two lines of a README.md."""
    begin, yaml_text, end = text.split("---\n")
    assert (begin, end) == ("", "")
    found: dict[str, Any] = yaml.safe_load(yaml_text)
    return found


def test_a_card_has_the_files_the_size_and_the_task(clone: Path) -> None:
    said = ftc("dataset", "card", str(clone))
    assert (said.exit_code, said.stderr) == (0, "")
    assert front_matter(said.stdout) == {
        "task_categories": ["text-generation"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "identity_alauda", "data_files": [{"split": "train", "path": "data.jsonl"}]}],
    }


def test_a_card_without_counted_rows_says_no_size(clone: Path) -> None:
    (clone / "dataset_info.json").write_text('{"one": {"script_url": "."}}', encoding="utf-8")
    said = ftc("dataset", "card", str(clone))
    assert said.exit_code == 0, said
    assert "size_categories" not in front_matter(said.stdout)


def test_the_card_of_a_run_uses_its_description(clone: Path) -> None:
    (clone / "a.png").write_bytes(b"png")
    (clone / "images").mkdir()
    for name in ("a", "b"):
        rows = [row(instruction="<image>what", images=["a.png"])] * 600
        (clone / "images" / f"{name}.jsonl").write_bytes(lines(*rows)["data.jsonl"])
    columns = "{prompt: instruction, response: output, images: images}"
    info = f"dataset.info={{seen: {{file_name: images, columns: {columns}}}}}"
    words = ("dataset=custom", "dataset.id=seen", "dataset.names=[seen]", info, "model=qwen2.5-vl-3b-instruct")
    said = ftc("dataset", "card", str(clone), *words)
    assert said.exit_code == 0, said
    assert front_matter(said.stdout) == {
        "task_categories": ["image-text-to-text"],
        "size_categories": ["1K<n<10K"],
        "configs": [
            {
                "config_name": "seen",
                "data_files": [{"split": "train", "path": ["images/a.jsonl", "images/b.jsonl"]}],
            }
        ],
    }


def test_a_broken_dataset_gets_no_card(tmp_path: Path) -> None:
    said = ftc("dataset", "card", str(BROKEN["a line is cut"].write(tmp_path)))
    assert (said.exit_code, said.stdout) == (1, "")
    assert "FTC152" in said.stderr


def test_files_outside_of_the_directory_are_not_in_a_card(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_bytes(lines(GOOD)["data.jsonl"])
    (clone / "dataset_info.json").write_text('{"one": {"file_name": "../other.jsonl"}}', encoding="utf-8")
    said = ftc("dataset", "card", str(clone))
    assert (said.exit_code, said.stdout) == (1, "")
    assert "has files outside of" in said.stderr


def test_a_card_needs_a_path() -> None:
    said = ftc("dataset", "card", "dataset=alpaca")
    assert (said.exit_code, said.stdout) == (2, "")
