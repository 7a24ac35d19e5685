"""A source on a volume is checked before the trainer needs it."""

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


WHOLE = "0123456789abcdef\nrequested: main\nsource: https://git.example.com/model\n"


@pytest.mark.parametrize(
    ("marker", "text", "message"),
    [
        ("files/../.ftc-revision", WHOLE, "holds revision 0123456789abcdef, but v2 is wanted"),
        ("files/../.ftc-revision", "", "is not the marker of a finished download"),
        ("mine/.ftc-revision", WHOLE, "holds revision 0123456789abcdef, but v2 is wanted"),
        ("mine/../.ftc-revision", WHOLE, ""),
    ],
)
def test_the_marker_of_a_fetch_is_read_next_to_its_files(tmp_path: Path, marker: str, text: str, message: str) -> None:
    place = tmp_path / "source-1f0c2a9e"
    files = place / marker.partition("/")[0]
    files.mkdir(parents=True)
    (files / "config.json").write_text("{}", encoding="utf-8")
    (place / marker).write_text(text, encoding="utf-8")
    done = check(tmp_path, files, REVISION="v2")
    assert (done.status, done.says(message or "error")) == ((1, True) if message else (0, False)), done.log
    if text and message:
        assert check(tmp_path / "again", files, REVISION="main").status == 0


def test_a_link_in_the_place_of_the_marker_is_not_read(tmp_path: Path, model_files: Path) -> None:
    (tmp_path / "secret").write_text("main\nrequested: main\nsource: x\n", encoding="utf-8")
    (model_files / ".ftc-revision").symlink_to(tmp_path / "secret")
    done = check(tmp_path, model_files, REVISION="main")
    assert (done.status, done.says("is not the marker of a finished download")) == (1, True), done.log


WRONG_SHAPES = {
    "list": (b"[]", "holds a list"),
    "null": (b"null", "holds null"),
    "string": (b'"identity"', "holds a string"),
    "number": (b"7", "holds a number"),
    "empty": (b"", "is not JSON"),
    "string-as-dataset": (b'{"identity": "identity.json"}', "describes dataset 'identity' by a string"),
    "list-as-dataset": (b'{"identity": [{"file_name": "a"}]}', "describes dataset 'identity' by a list"),
    "null-as-dataset": (b'{"identity": null}', "describes dataset 'identity' by null"),
    "number-as-file": (b'{"identity": {"file_name": 7}}', "has a number as file_name"),
    "null-as-file": (b'{"identity": {"file_name": null}}', "has null as file_name"),
    "nul-in-file": (b'{"identity": {"file_name": "a\\u0000b"}}', ""),
    "half-a-surrogate": (b'{"identity": {"file_name": "\\ud800"}}', ""),
    "long-file": (b'{"identity": {"file_name": "%s"}}' % (b"a" * 5000), ""),
    "not-utf-8": (b'{"identity": {"file_name": "\xff"}}', "cannot be read"),
    "utf-16": ('{"identity": {}}'.encode("utf-16"), ""),
    "deep": (b'{"identity": ' * 100_000, "cannot be read"),
    "long-number": (b'{"identity": {"file_name": %s}}' % (b"9" * 10_000), ""),
    "not-there": (
        b'{"other\\nftc: error: forged": {}}',
        "it has: other\\nftc: error: forged",
    ),
    "many": (b"{%s}" % b",".join(b'"dataset-%d": {}' % n for n in range(10_000)), "has no dataset 'identity'"),
    "huge": (b'{"identity": {"file_name": "%s"}}' % (b" " * (17 << 20)), "has more than 16 MiB"),
}


@pytest.mark.parametrize("fetched", ["true", "false"])
@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_a_description_of_another_shape_is_one_short_line(
    tmp_path: Path, dataset_files: Path, shape: str, fetched: str
) -> None:
    content, message = WRONG_SHAPES[shape]
    (dataset_files / "dataset_info.json").write_bytes(content)
    done = check(tmp_path, dataset_files, EXPECT_DATASETS="identity", FETCHED=fetched)
    assert done.status == 1
    (line,) = done.log.splitlines()
    assert line.startswith("ftc: error: ")
    assert message in line
    assert len(line) < 1200


def test_a_description_that_is_a_directory_is_one_line(tmp_path: Path, dataset_files: Path) -> None:
    (dataset_files / "dataset_info.json").unlink()
    (dataset_files / "dataset_info.json").mkdir()
    done = check(tmp_path, dataset_files, EXPECT_DATASETS="identity")
    assert (done.status, len(done.log.splitlines())) == (1, 1), done.log


OUTSIDE = ["../secret.json", "/etc/passwd", "sub/../../secret.json", "link.json", "link/secret.json"]


@pytest.mark.parametrize("file_name", OUTSIDE)
def test_a_fetched_description_names_files_of_its_source_only(
    tmp_path: Path, dataset_files: Path, file_name: str
) -> None:
    (tmp_path / "secret.json").write_text("[]", encoding="utf-8")
    (dataset_files / "sub").mkdir()
    (dataset_files / "link.json").symlink_to(tmp_path / "secret.json")
    (dataset_files / "link").symlink_to(tmp_path)
    (dataset_files / "dataset_info.json").write_text(f'{{"a": {{"file_name": "{file_name}"}}}}', encoding="utf-8")
    done = check(tmp_path, dataset_files, EXPECT_DATASETS="a", FETCHED="true")
    assert (done.status, done.says("which is outside of the source")) == (1, True), done.log
    # Users may put files anywhere on a volume.
    assert check(tmp_path / "again", dataset_files, EXPECT_DATASETS="a").status == 0


def test_an_inner_link_of_a_fetched_description_is_followed(tmp_path: Path, dataset_files: Path) -> None:
    file = next(file for file in dataset_files.iterdir() if file.name != "dataset_info.json")
    (dataset_files / "link.json").symlink_to(file.name)
    (dataset_files / "dataset_info.json").write_text('{"a": {"file_name": "link.json"}}', encoding="utf-8")
    assert check(tmp_path, dataset_files, EXPECT_DATASETS="a", FETCHED="true").status == 0
