"""The check of a dataset names each mistake at its row, keeps no rows, and trusts no content."""

from __future__ import annotations

import json
import os
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


GOOD_LINE = json.dumps(GOOD) + "\n"
UNCHECKED = "FTC166"
CALL = {"formatting": "sharegpt"}
MIB = 1 << 20


def call(text: str) -> str:
    """A row in which a function is called."""
    return json.dumps(talk(("human", "a"), ("function_call", text))) + "\n"


# Each took minutes or gigabytes: the time or the memory grew with the square of the file, or with its longest line.
SLOW: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "one object on many lines": ("jsonl", '{"data": [\n' + GOOD_LINE.replace("\n", ",\n") * 20_000, {}, "FTC152"),
    "open objects": ("jsonl", '{"a":\n' * 3000, {}, "FTC152"),
    "a line of 60 MiB": ("jsonl", GOOD_LINE.replace("a", "a" * 60 * MIB, 1), {}, UNCHECKED),
    "commas before braces": ("json", '[{"a": [' + '{"b": 1,},' * 20_000 + '{"b": 1,}]}]', {}, "FTC154"),
    "an element of 60 MiB": ("json", '[{"a": "' + "x" * 60 * MIB, {}, UNCHECKED),
    "a number of 5000 digits": ("csv", f"instruction,input,output\n{'9' * 5000},a,b\n", {}, ""),
    "a text like a number": ("csv", f"instruction,input,output\n{'9' * 60_000}x,a,b\n", {}, ""),
    "many columns": ("csv", "a," * 3000 + "\n1,2\n", {}, UNCHECKED),
    "an open quote": ("csv", 'instruction,input,output\n"' + "a,b,c\n" * 6 * MIB, {}, UNCHECKED),
    "a text of one line": ("txt", "x" * 60 * MIB, {"columns": {"prompt": "text"}}, UNCHECKED),
    "keys that are data": (
        "jsonl",
        "".join(json.dumps({**GOOD, "ids": {f"{one}-{n}": 1 for n in range(100)}}) + "\n" for one in range(3000)),
        {},
        UNCHECKED,
    ),
    "open thoughts": ("jsonl", call("<think>\n" * 30_000), CALL, ""),
    "open tags": ("jsonl", call("<" * 60_000), CALL, "FTC157"),
    "a place of 400 digits": ("jsonl", GOOD_LINE, {"split": f"train[:{'9' * 400}%]"}, "FTC151"),
    "a place of 5000 digits": ("jsonl", GOOD_LINE, {"split": f"train[:{'9' * 5000}]"}, "FTC151"),
    "a long name": ("jsonl", GOOD_LINE, {"file_name": f"{'x' * 300}.jsonl"}, "FTC152"),
}


@pytest.mark.parametrize("name", SLOW)
def test_hostile_files_are_checked_in_little_time_and_memory(tmp_path: Path, name: str) -> None:
    ending, text, entry, code = SLOW[name]
    (tmp_path / f"data.{ending}").write_text(text, encoding="utf-8")
    about = {"mine": {"file_name": f"data.{ending}", **entry}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(about), encoding="utf-8")
    limits = 'ulimit -t 10 -d 409600; exec "$@"'
    command = ["bash", "-c", limits, "bash", sys.executable, str(SCRIPT), str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, FAILS), done.stderr
    (report,) = json.loads(done.stdout)
    assert code in {one["code"] for one in report["findings"]} or not code
    assert done.returncode == (FAILS if code not in ("", UNCHECKED) else 0)


def test_a_mistake_in_one_row_of_several_lines_does_not_hide_the_rows_below(tmp_path: Path) -> None:
    text = '{"instruction": "a",\n"instruction": "b"}\n' + GOOD_LINE * 3 + '{"a": [1,\n' + GOOD_LINE * 2
    (tmp_path / "mine.jsonl").write_text(text, encoding="utf-8")
    report = check(tmp_path / "mine.jsonl")
    assert report["rows"] == 5
    assert [one["line"] for one in report["findings"]] == [1, 6]


def test_a_comma_before_a_brace_in_a_text_is_text(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('[{"instruction": "a,}", "input": "", "output": "b",\n}]', encoding="utf-8")
    assert check(tmp_path / "mine.json")["findings"] == []


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_a_description_is_a_small_file(tmp_path: Path, kind: str) -> None:
    info = tmp_path / "dataset_info.json"
    if kind == "pipe":
        os.mkfifo(info)
    elif kind == "device":
        info.symlink_to("/dev/zero")
    else:
        info.write_text('{"a": "' + "x" * 17 * MIB + '"}', encoding="utf-8")
    report = check(tmp_path)
    assert report["status"] == FAILS
    assert ("has more than 16 MiB" if kind == "large" else "is not a file") in report["findings"][0]["message"]


def test_a_name_cannot_forge_a_line_of_the_log(tmp_path: Path) -> None:
    about = {"a\n::error::\x1b[31m": {"file_name": "data.jsonl"}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(about), encoding="utf-8")
    (tmp_path / "data.jsonl").write_text('{"instruction": 1}\n' * 20, encoding="utf-8")
    said = run(tmp_path).stdout
    assert "more findings" in said
    assert all(line.startswith("ftc: ") and line.isprintable() for line in said.splitlines())


def test_numpy_takes_memory_for_one_thread_only(tmp_path: Path) -> None:
    """A stand-in for pyarrow on a node with many cores: OpenBLAS takes memory for a thread of each core."""
    (tmp_path / "pyarrow").mkdir()
    counting = "import os, sys\nsys.exit(f'threads: {os.environ.get(\"OPENBLAS_NUM_THREADS\")}')\n"
    (tmp_path / "pyarrow" / "__init__.py").write_text(counting, encoding="utf-8")
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "mine.parquet")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OPENBLAS_NUM_THREADS": "64"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == "threads: 1\n"


def test_parquet_that_needs_much_memory_is_not_checked_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text(
        "class ArrowException(Exception): pass\nclass ArrowMemoryError(MemoryError, ArrowException): pass\n",
        encoding="utf-8",
    )
    failing = "import pyarrow\ndef ParquetFile(file): raise pyarrow.ArrowMemoryError('realloc failed')\n"
    (tmp_path / "pyarrow" / "parquet.py").write_text(failing, encoding="utf-8")
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "mine.parquet")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "needs more memory than the check has" in done.stdout


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_file_of_which_a_part_is_used_is_read_under_the_same_limits(tmp_path: Path, ending: str) -> None:
    about = {"mine": {"file_name": f"data.{ending}", "split": "train[:50%]"}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(about), encoding="utf-8")
    (tmp_path / f"data.{ending}").write_bytes(b"[" * 100_000 if ending == "parquet" else b"x" * 60 * MIB)
    command = [sys.executable, "-S", str(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert UNCHECKED in done.stdout
