"""`ftc compile -o`: a directory, a file or stdout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["job.yaml", "deep/er/job.yml"])
def test_a_yaml_file_has_what_would_be_printed(name: str, tmp_path: Path) -> None:
    said = ftc("compile", "-t", "job", "-o", str(tmp_path / name))
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr.endswith(f"ftc: wrote {tmp_path / name}\n")
    assert (tmp_path / name).read_text() == ftc("compile", "-t", "job").stdout
    assert [file.name for file in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_a_json_file_has_the_same_object(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text("old")
    assert ftc("compile", "-o", str(file)).exit_code == 0
    assert json.loads(file.read_text()) == yaml.safe_load(ftc("compile").stdout)
    several = ("compile", "-t", "llamafactory", "-o", str(file))
    assert "JSON has one document" in ftc(*several).stderr
    assert ftc("compile", "-t", "llamafactory", "method.merge=null", "-o", str(file)).exit_code == 0
    assert json.loads(file.read_text())["stage"] == "sft"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("old")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    assert ftc("compile", "-o", str(tmp_path / "link.yaml")).exit_code == 0
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == ftc("compile").stdout


def test_a_dash_is_stdout() -> None:
    assert ftc("compile", "-o", "-") == ftc("compile")


@pytest.mark.parametrize(("target", "name"), [("script", "run.sh"), ("script", "mine.sh"), ("image", "Dockerfile")])
def test_other_artifacts_have_files_too(target: str, name: str, tmp_path: Path) -> None:
    more = ("storage=per-pod", "publish=git", "publish.url=https://git.example.com/r") if target == "script" else ()
    said = ftc("compile", "-t", target, *more, "-o", str(tmp_path / name))
    assert said.exit_code == 0, said.stderr
    assert (tmp_path / name).read_text() == ftc("compile", "-t", target, *more).stdout


def test_a_directory_may_end_in_yaml(tmp_path: Path) -> None:
    place = tmp_path / "runs.yaml"
    place.mkdir()
    assert ftc("compile", "-o", str(place)).exit_code == 0
    assert {"volcano.yaml", "spec.yaml"} <= {file.name for file in place.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-m", "nodes=1,2", "-o", "a.yaml"), "-m writes directories"),
        (("-m", "nodes=1,2", "-o", "-"), "-m writes directories"),
        (("-t", "volcano", "-t", "job", "-o", "a.yaml"), "only one target can go to a.yaml"),
        (("-t", "volcano", "-t", "job", "-o", "-"), "only one target can go to stdout"),
        (("-t", "image", "-o", "a.yaml"), "-t image makes Dockerfile, which is not YAML"),
        (("-o", "notes"), "notes is a file: give a directory"),
    ],
)
def test_an_output_that_does_not_fit_is_a_usage_error(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").write_text("mine")
    said = ftc("compile", *arguments)
    assert (said.exit_code, said.stdout) == (2, "")
    assert says in said.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["notes"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = ftc("compile", "-o", str(tmp_path / "file" / "job.yaml"))
    assert (said.exit_code, said.stdout) == (1, "")
    assert f"cannot write to {tmp_path / 'file' / 'job.yaml'}" in said.stderr
