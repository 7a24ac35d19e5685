"""A directory holds all artifacts of the last compile, and other files that the user keeps there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftc.output.write import SCRATCH, Artifact, write
from unit.compiling import COMMAND, artifacts, ftc

if TYPE_CHECKING:
    from pathlib import Path


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode() for file in directory.iterdir()}


def test_every_artifact_is_written_unchanged(tmp_path: Path) -> None:
    said = ftc("compile", "-o", str(tmp_path / "a" / "b"), "launcher=accelerate")
    assert said.exit_code == 0
    assert said.stdout == ""
    assert "train.yaml" in said.stderr
    assert contents(tmp_path / "a" / "b") == artifacts("launcher=accelerate")
    assert contents(tmp_path / "a" / "b").keys() == {
        *("spec.yaml", "volcano.yaml", "train.yaml", "merge.yaml", "accelerate.yaml", "dataset_info.json"),
    }


def test_one_target_does_not_write_the_other(tmp_path: Path) -> None:
    ftc("compile", "-o", str(tmp_path), "-t", "llamafactory")
    assert "volcano.yaml" not in contents(tmp_path)
    assert contents(tmp_path)["train.yaml"] == artifacts()["train.yaml"]


def test_stale_files_of_the_last_compile_are_deleted(tmp_path: Path) -> None:
    ftc("compile", "-o", str(tmp_path), "launcher=accelerate", "setup=[[a]]")
    assert {"accelerate.yaml", "setup.json"} <= contents(tmp_path).keys()
    ftc("compile", "-o", str(tmp_path), *COMMAND)
    assert contents(tmp_path).keys() == {"spec.yaml", "volcano.yaml"}


def test_a_foreign_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "kustomization.yaml").write_text("resources: [volcano.yaml]")
    ftc("compile", "-o", str(tmp_path))
    ftc("compile", "-o", str(tmp_path), *COMMAND)
    assert contents(tmp_path)["notes.md"] == "mine"
    assert contents(tmp_path)["kustomization.yaml"] == "resources: [volcano.yaml]"


def test_a_users_file_with_the_name_of_an_artifact_is_kept(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("mine")
    said = ftc("compile", "-o", str(tmp_path))
    assert said.exit_code == 1
    assert "train.yaml" in said.stderr
    assert contents(tmp_path) == {"train.yaml": "mine"}
    assert ftc("compile", "-o", str(tmp_path), *COMMAND).exit_code == 0
    assert contents(tmp_path)["train.yaml"] == "mine"


@pytest.mark.parametrize("name", ["../precious", "sub/precious", "notes.md"])
def test_a_forged_list_of_written_files_deletes_nothing_else(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    (directory / "sub").mkdir()
    (directory / name).write_text("mine")
    (directory / "spec.yaml").write_text(f"# ftc wrote: spec.yaml {name}\nname: null\n")
    ftc("compile", "-o", str(directory))
    assert (directory / name).read_text() == "mine"


def test_the_same_compile_leaves_the_same_files(tmp_path: Path) -> None:
    ftc("compile", "-o", str(tmp_path), "nodes=2")
    before = contents(tmp_path)
    ftc("compile", "-o", str(tmp_path), "nodes=2")
    assert contents(tmp_path) == before


def test_a_refused_compile_leaves_the_directory_alone(tmp_path: Path) -> None:
    ftc("compile", "-o", str(tmp_path))
    before = contents(tmp_path)
    assert ftc("compile", "-o", str(tmp_path), "nodes=0").exit_code == 1
    assert contents(tmp_path) == before
    assert ftc("compile", "-o", str(tmp_path / "new"), "nodes=0").exit_code == 1
    assert not (tmp_path / "new").exists()


def test_a_reader_never_sees_a_partial_file(tmp_path: Path) -> None:
    write(tmp_path, [Artifact("a", "old")], ["a"], Artifact("a", "both"))
    with (tmp_path / "a").open() as reader:
        write(tmp_path, [Artifact("a", "new")], ["a"], Artifact("a", "both"))
        assert reader.read() == "old", "the file is replaced, not written into"
    assert contents(tmp_path) == {"a": "new"}


def test_nothing_is_replaced_unless_all_files_can_be_written(tmp_path: Path) -> None:
    both = Artifact("a", "both")
    write(tmp_path, [Artifact("a", "old"), Artifact("b", "old")], [], both)
    with pytest.raises(OSError, match="Errno"):
        write(tmp_path, [Artifact("a", "new"), Artifact("missing/b", "new")], [], both)
    assert contents(tmp_path) == {"a": "old", "b": "old"}


@pytest.mark.parametrize("name", ["volcano.yaml", "spec.yaml", "accelerate.yaml"])
def test_a_link_instead_of_a_file_is_never_followed(tmp_path: Path, name: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    ftc("compile", "-o", str(out), "launcher=accelerate")
    elsewhere.write_bytes((out / name).read_bytes())
    (out / name).unlink()
    (out / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert ftc("compile", "-o", str(out), *COMMAND).exit_code == 0
    assert elsewhere.read_bytes() == before
    assert contents(out) == artifacts(*COMMAND)
    assert not any(file.is_symlink() for file in out.iterdir())


def test_a_link_that_ftc_did_not_write_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").symlink_to("nowhere")
    said = ftc("compile", "-o", str(tmp_path), "-t", "job")
    assert said.exit_code == 1
    assert "job.yaml" in said.stderr
    assert (tmp_path / "job.yaml").is_symlink()


def test_the_scratch_directory_is_never_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    out.mkdir()
    (out / SCRATCH).symlink_to(elsewhere)
    assert ftc("compile", "-o", str(out)).exit_code == 0
    assert contents(elsewhere) == {"mine": "mine"}
    assert contents(out) == artifacts()


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    assert ftc("compile", "-o", str(tmp_path / "out")).exit_code == 0
    assert contents(tmp_path / "real") == artifacts()


def test_a_file_has_the_users_default_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        ftc("compile", "-o", str(tmp_path))
    finally:
        os.umask(mask)
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {"0o644"}


def test_lines_end_with_lf(tmp_path: Path) -> None:
    ftc("compile", "-o", str(tmp_path))
    assert all(b"\r" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file/below", "/proc/nothing/here", "/dev/null/x"])
def test_a_directory_that_cannot_be_created_is_reported_in_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    said = ftc("compile", "-o", str(tmp_path / place))
    assert said.exit_code == 1
    assert said.stdout == ""
    assert said.stderr.count("\n") == 1
    assert place.rpartition("/")[0] in said.stderr


def test_a_directory_instead_of_a_file_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").mkdir()
    said = ftc("compile", "-o", str(tmp_path))
    assert said.exit_code == 1
    assert said.stderr.count("\n") == 1
    assert "train.yaml" in said.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["train.yaml"]


def test_a_file_as_the_directory_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert ftc("compile", "-o", str(tmp_path / "file")).exit_code == 2
