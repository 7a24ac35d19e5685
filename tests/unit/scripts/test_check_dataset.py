"""The check of a dataset names each mistake at its row, keeps no rows, and trusts no content."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from unit.compiling import ROOT
from unit.scripts.broken_datasets import BROKEN, GOOD, Broken, lines, row, talk

if TYPE_CHECKING:
    from pathlib import Path

FAILS = 3
SCRIPT = ROOT / "compiler" / "ftc" / "scripts" / "check_dataset.py"


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a pod does."""
    command = [sys.executable, str(SCRIPT), str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check(path: Path, *words: str) -> dict[str, Any]:
    """The report on the only dataset."""
    done = run(path, "--json", *words)
    assert done.returncode in (0, FAILS), done.stderr
    (report,) = json.loads(done.stdout)
    return {**report, "status": done.returncode}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_each_mistake_is_named_at_its_row(tmp_path: Path, broken: Broken) -> None:
    stage = ("--stage", broken.stage) if broken.stage else ()
    report = check(broken.write(tmp_path), *stage)
    found = {(one["code"], one["severity"], one["row"], one["line"]): one["message"] for one in report["findings"]}
    place = (broken.code, broken.severity, broken.row, broken.line)
    assert place in found
    assert broken.words in found[place]
    assert report["status"] == (FAILS if broken.severity == "error" else 0)


def test_at_least_25_datasets_are_broken() -> None:
    assert len(BROKEN) >= 25


def test_a_good_dataset_has_no_findings(tmp_path: Path) -> None:
    report = check(Broken(lines(GOOD, row(input="more"), GOOD), {}, "", 0, 0, "").write(tmp_path))
    assert (report["findings"], report["rows"], report["kept"], report["stage"]) == ([], 3, 3, "sft")


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv"])
def test_a_file_without_a_description_has_the_columns_of_alpaca(tmp_path: Path, ending: str) -> None:
    texts = {
        "jsonl": "".join(json.dumps(GOOD) + "\n" for _ in range(4)),
        "json": json.dumps([GOOD] * 4),
        "csv": "instruction,input,output\n" + "a,b,c\n" * 4,
    }
    (tmp_path / f"mine.{ending}").write_text(texts[ending], encoding="utf-8")
    report = check(tmp_path / f"mine.{ending}")
    assert (report["name"], report["kept"], report["findings"]) == ("mine", 4, [])


def test_all_mistakes_are_counted_and_the_first_ones_are_listed(tmp_path: Path) -> None:
    dataset = Broken(lines(*[GOOD, row(output=None)] * 40), {}, "", 0, 0, "")
    report = check(dataset.write(tmp_path), "--limit", "3")
    assert [one["row"] for one in report["findings"]] == [2, 4, 6]
    assert report["more"] == {"FTC161": 37}
    assert (report["rows"], report["kept"]) == (80, 40)


def test_each_broken_line_is_named_and_reading_continues(tmp_path: Path) -> None:
    dataset = Broken(lines(GOOD, "{", GOOD, "nothing", GOOD, '{"a": 1}}'), {}, "", 0, 0, "")
    report = check(dataset.write(tmp_path))
    broken = [one["line"] for one in report["findings"] if one["code"] == "FTC152"]
    assert broken == [2, 4, 6]


@pytest.mark.parametrize(
    ("description", "stage"),
    [
        ({}, "sft"),
        ({"ranking": True}, "rm"),
        ({"columns": {"prompt": "text", "kto_tag": "label", "response": "output"}}, "kto"),
        ({"columns": {"prompt": "text"}}, "pt"),
        ({"formatting": "sharegpt"}, "sft"),
    ],
)
def test_the_stage_follows_from_the_description(tmp_path: Path, description: dict[str, Any], stage: str) -> None:
    assert check(Broken(lines(GOOD), description, "", 0, 0, "").write(tmp_path))["stage"] == stage


@pytest.mark.parametrize(
    ("split", "rows"),
    [("train[:3]", 3), ("train[2:]", 8), ("train[-4:]", 4), ("train[:25%]", 2), ("train[20%:60%]", 4)],
)
def test_a_part_of_the_split_is_read(tmp_path: Path, split: str, rows: int) -> None:
    report = check(Broken(lines(*[GOOD] * 10), {"split": split}, "", 0, 0, "").write(tmp_path))
    assert (report["rows"], report["kept"], report["findings"]) == (rows, rows, [])


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("columns", {"prompt": ["x"]}),
        ("columns", {"prompt": 5}),
        ("columns", {"messages": {"x": 1}}),
        ("columns", {"prompt": "\ud800"}),
        ("tags", {"role_tag": ["x"]}),
        ("file_name", "\ud800.jsonl"),
        ("file_name", ["x"]),
    ],
)
def test_a_name_in_the_description_is_a_text(tmp_path: Path, key: str, given: Any) -> None:
    report = check(Broken(lines(GOOD), {key: given}, "", 0, 0, "").write(tmp_path))
    assert ([one["code"] for one in report["findings"]], report["status"]) == (["FTC151"], FAILS)


def test_a_dataset_whose_name_is_not_a_text_in_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"\\ud800": {"file_name": "a.jsonl"}}', encoding="utf-8")
    report = check(tmp_path)
    assert (report["name"], [one["code"] for one in report["findings"]]) == ("\\ud800", ["FTC151"])


def test_an_empty_description_describes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{}", encoding="utf-8")
    report = check(tmp_path)
    assert ([one["code"] for one in report["findings"]], report["status"]) == (["FTC151"], FAILS)
    assert "describes nothing" in report["findings"][0]["message"]


@pytest.mark.parametrize(("number", "kept"), [(5, 5), (-1, 2), (True, 2), (None, 2)])
def test_a_number_of_samples_is_the_number_of_used_rows(tmp_path: Path, number: object, kept: int) -> None:
    report = check(Broken(lines(GOOD, row(input="more")), {"num_samples": number}, "", 0, 0, "").write(tmp_path))
    assert report["kept"] == kept


def test_a_text_file_is_for_pre_training(tmp_path: Path) -> None:
    (tmp_path / "articles.txt").write_text("An article\nAnother one\n", encoding="utf-8")
    report = check(tmp_path / "articles.txt", "--stage", "pt", "--block", "0")
    assert (report["findings"], report["kept"], report["stage"]) == ([], 2, "pt")


def test_a_text_file_lacks_the_columns_of_a_conversation(tmp_path: Path) -> None:
    (tmp_path / "articles.txt").write_text("An article\n", encoding="utf-8")
    assert check(tmp_path / "articles.txt", "--stage", "sft")["findings"][0]["code"] == "FTC154"


def test_a_large_array_is_read_in_little_memory(tmp_path: Path) -> None:
    element = json.dumps(row(output="word " * 2000))
    with (tmp_path / "mine.json").open("w", encoding="utf-8") as stream:
        stream.write("[" + ",\n".join([element] * 8000) + "]")
    program = (
        "import re, sys, runpy; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: print(re.search('VmHWM:\\\\s*(\\\\d+) kB', open('/proc/self/status').read())[1])"
    )
    command = [sys.executable, "-c", program, str(SCRIPT), str(tmp_path / "mine.json")]
    environment = {"PYTHONPATH": str(SCRIPT.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    said, memory = done.stdout.splitlines()
    assert said == "ftc: dataset mine: 8000 of 8000 rows are used in stage sft"
    assert int(memory) < 60 * 1024  # KiB; the file has 80 MB


def test_content_cannot_forge_a_line_of_the_log(tmp_path: Path) -> None:
    rows = lines(talk(("human", "a"), ("x\nftc: error: forged\x1b[31m", "b")), talk(("human", "a"), ("gpt", "b")))
    done = run(Broken(rows, {"formatting": "sharegpt"}, "", 0, 0, "").write(tmp_path))
    assert done.returncode == 0
    assert not [line for line in done.stdout.splitlines() if line.startswith("ftc: error")]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, '"' + "a" * 100_000, "\x00", "[" + "[1]," * 1000]
)
@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "txt"])
def test_odd_content_never_ends_the_check_with_a_traceback(tmp_path: Path, text: str, ending: str) -> None:
    (tmp_path / f"odd.{ending}").write_text(text, encoding="utf-8")
    done = run(tmp_path / f"odd.{ending}")
    assert (done.returncode, done.stderr) == (FAILS, "")


def test_parquet_without_pyarrow_is_not_checked_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    command = [sys.executable, "-S", str(SCRIPT), str(tmp_path / "mine.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "needs the Python package pyarrow, which is not installed [FTC166]" in done.stdout


def test_a_dataset_of_a_hub_is_not_checked(tmp_path: Path) -> None:
    report = check(Broken({}, {"hf_hub_url": "owner/name"}, "", 0, 0, "").write(tmp_path))
    assert [(one["code"], one["severity"]) for one in report["findings"]] == [("FTC166", "note")]
