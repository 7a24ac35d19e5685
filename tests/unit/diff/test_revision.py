"""A revision of a repository with odd content: links that lead anywhere, names of any bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ftc.diff.sides import checked_out
from unit.compiling import ftc

GIT = ("git", "-c", "user.email=a@example.com", "-c", "user.name=a")


def committed(repository: Path) -> None:
    for words in (["init", "-q", "."], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*GIT, *words], cwd=repository, check=True, capture_output=True)


def repository(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place.mkdir()
    (place / "conf").mkdir()
    (place / "golden" / "one").mkdir(parents=True)
    (place / "golden" / "one" / "case.yaml").write_text("why: A test.\n")
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize(
    "target",
    ["{}/shared", "../../shared", "nowhere", "dataset", "../conf", "../conf/dataset", ".", "/etc/passwd", "../golden"],
)
def test_a_link_in_a_revision_is_not_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    place = repository(tmp_path / "r", monkeypatch)
    (tmp_path / "shared").mkdir()
    (place / "conf" / "dataset").symlink_to(target.format(tmp_path))
    committed(place)
    said = ftc("diff", "--base", "HEAD")
    assert said.exit_code in (0, 1), said


def test_only_link_targets_inside_the_repository_are_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = repository(tmp_path / "r", monkeypatch)
    (place / "shared").mkdir()
    (place / "shared" / "run.yaml").write_text("old")
    (tmp_path / "secret").write_text("secret")
    (place / "conf" / "dataset").symlink_to("../shared")
    (place / "conf" / "out").symlink_to("../../secret")
    (place / "conf" / "away").symlink_to(tmp_path / "secret")
    committed(place)
    (place / "shared" / "run.yaml").write_text("new")
    with checked_out("HEAD", [Path("conf")]) as (conf,):
        assert (conf / "dataset" / "run.yaml").read_text() == "old"
        assert [file.name for file in conf.iterdir()] == ["dataset"]


@pytest.mark.parametrize("name", [b"blank ", b"\xff\xfe", b"line\nbreak", b"*", b":(glob)x", b" a", "ü".encode()])
def test_a_repository_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    place = repository(tmp_path / os.fsdecode(name), monkeypatch)
    committed(place)
    assert ftc("diff", "--base", "HEAD").exit_code == 0


@pytest.mark.parametrize("name", ["*", "[a]", ":(exclude)x", "a b ", "ü"])
def test_a_directory_of_a_repository_is_not_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = repository(tmp_path / "r", monkeypatch)
    for one in (name, "other"):
        (place / one).mkdir()
        (place / one / "a.yaml").write_text(one)
    committed(place)
    with checked_out("HEAD", [Path(name)]) as (there,):
        assert (there / "a.yaml").read_text() == name
        assert not Path("other").exists()
