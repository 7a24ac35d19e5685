"""A source that should lie on a volume is looked at before the trainer needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import Ended, pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def check(tmp_path: Path, target: Path, **environment: str) -> Ended:
    """Run the check on a directory."""
    return pod_scripts(tmp_path / "ftc", {}).run("check_path.sh", TARGET_DIR=str(target), **environment)


def test_a_model_on_a_volume_is_accepted(tmp_path: Path, model_files: Path) -> None:
    assert check(tmp_path, model_files).status == 0


def test_a_path_that_is_missing_is_an_error(tmp_path: Path) -> None:
    done = check(tmp_path, tmp_path / "nowhere")
    assert done.status == 1
    assert done.says("nowhere is not a directory: is the path right, and the right volume mounted?")


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = check(tmp_path, tmp_path / "empty")
    assert done.status == 1
    assert done.says("empty is empty")


def test_a_model_whose_lfs_files_were_not_fetched_is_an_error(tmp_path: Path, model_files: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (model_files / "sub" / "model-2.safetensors").write_text(pointer, encoding="utf-8")
    done = check(tmp_path, model_files)
    assert done.status == 1
    assert done.says("model-2.safetensors is a git-lfs pointer, not the file itself: fetch it with 'git lfs pull'")


@pytest.mark.parametrize("revision", ["0123456789abcdef", "0123456", "main", "v2"])
def test_a_revision_marker_that_differs_is_an_error(tmp_path: Path, model_files: Path, revision: str) -> None:
    marker = "0123456789abcdef\nrequested: main\nsource: https://git.example.com/model\n"
    (model_files / ".ftc-revision").write_text(marker, encoding="utf-8")
    done = check(tmp_path, model_files, REVISION=revision)
    assert (done.status, done.says("holds revision 0123456789abcdef, but v2 is wanted")) == (
        (1, True) if revision == "v2" else (0, False)
    )


def test_a_dataset_on_a_volume_that_is_not_listed_is_an_error(tmp_path: Path, dataset_files: Path) -> None:
    done = check(tmp_path, dataset_files, EXPECT_DATASETS="other")
    assert done.status == 1
    assert done.says("has no dataset 'other'; it has: identity_alauda")
