"""`ftc lint` on the command line: the files it reads, its output and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ftc.cli.document import FORMATS
from ftc.cli.main import cli
from golden import cases

if TYPE_CHECKING:
    from pathlib import Path

BAD = cases.CORPUS / "bad" / "FTC510-request-over-limit.yaml"
WARNED = cases.CORPUS / "bad" / "FTC816-retries-without-policy.yaml"
GOOD = cases.CORPUS / "good" / "FTC510-other-units.yaml"


def lint(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["lint", *map(str, arguments)], input=stdin)


def codes(result: Result) -> list[str]:
    return [found["code"] for found in json.loads(result.stdout)]


def test_findings_go_to_stdout() -> None:
    result = lint(BAD)
    assert (result.exit_code, result.stderr) == (1, "ftc: 1 error in 1 file\n")
    assert result.stdout.startswith(f"{BAD}:")
    assert "error[FTC510 resources-contradict-devices-or-limits]" in result.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_written_to_stdout(form: str) -> None:
    result = lint("--format", form, BAD)
    assert (result.exit_code, result.stderr if form != "text" else "") == (1, "")
    assert "FTC510" in result.stdout


def test_a_correct_file_has_no_findings() -> None:
    result = lint(GOOD)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "ftc: no findings in 1 file\n")
    assert json.loads(lint("--format", "json", GOOD).stdout) == []


def test_a_warning_is_an_error_with_strict() -> None:
    assert lint(WARNED).exit_code == 0
    strict = lint("--strict", WARNED)
    assert strict.exit_code == 1
    assert "error[FTC816 ineffective-max-retry]" in strict.stdout


def test_a_rule_is_suppressed_and_an_unused_ignore_is_reported() -> None:
    assert lint("--ignore", "FTC510", BAD).stdout == ""
    assert codes(lint("--ignore", "FTC510", "--format", "json", GOOD)) == ["FTC015"]
    unknown = lint("--ignore", "FTC301", GOOD)
    assert unknown.exit_code == 2
    assert "FTC301 is not a rule of lint" in unknown.stderr


def test_an_unused_ignore_is_not_reported_if_a_file_cannot_be_read() -> None:
    assert codes(lint("--ignore", "FTC510", "--format", "json", "-", stdin="a: [")) == ["FTC002"]


def test_stdin_is_a_file_with_its_lines() -> None:
    result = lint("-", stdin=BAD.read_text())
    assert result.stdout.startswith("<stdin>:")
    assert "nvidia.com" in result.stdout or "memory" in result.stdout, "the line is shown"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory like those in repositories."""
    for name, text in {
        "values.yaml": "replicas: 2\n",
        "README.md": "kind: Job\n",
        "jobs/bad.yml": BAD.read_text(),
        "jobs/good.yaml": GOOD.read_text().replace("\n", "\r\n"),
        ".git/job.yaml": BAD.read_text(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, newline="")
    (tmp_path / "again").symlink_to(tmp_path)
    return tmp_path


def test_the_manifests_of_a_directory_are_linted(tree: Path) -> None:
    found = json.loads(lint("--format", "json", tree).stdout)
    assert {one["file"] for one in found} == {str(tree / "jobs/bad.yml")}


def test_a_file_named_twice_is_read_once(tree: Path) -> None:
    assert len(codes(lint("--format", "json", tree, tree / "jobs/bad.yml"))) == 1
    assert codes(lint("--format", "json", tree, tree / "values.yaml")) == ["FTC510", "FTC002"]


def test_a_directory_without_manifests_is_an_error(tmp_path: Path) -> None:
    result = lint(tmp_path)
    assert result.exit_code == 1
    assert "does not contain a .yaml, .yml or small .json file" in result.stderr


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    result = lint(tmp_path / "no.yaml")
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_an_endless_file_is_too_large() -> None:
    result = lint("/dev/zero")
    assert result.exit_code == 1
    assert "is larger than" in result.stdout


def test_json_files_of_a_training_are_read_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    text = (
        "model_name_or_path: a/b\ndo_train: true\ndataset: suport\ndeepspeed: ds.json\ngradient_accumulation_steps: 8\n"
    )
    (tmp_path / "train.yaml").write_text(text)
    (tmp_path / "ds.json").write_text('{"gradient_accumulation_steps": 4, "zero_optimization": {"stage": 2}}')
    (tmp_path / "data" / "dataset_info.json").write_text('{"support": {"file_name": "a.json"}}')
    (tmp_path / "data" / "a.json").write_text('[{"instruction": "a"}, // a comment')
    (tmp_path / "tsconfig.json").write_text("{ // not a file of a training\n}")
    assert sorted(codes(lint("--format", "json", tmp_path))) == ["FTC406", "FTC440"]
