"""The objects of a bucket become files of the cache, and nothing else."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


class Object(NamedTuple):
    object_name: str
    size: int = 3
    etag: str = "e"


class Response(io.BytesIO):
    """Like the client's, which returns its connection to a pool."""

    def release_conn(self) -> None:
        """Do nothing."""


class Bucket:
    """A stand-in for the client: names of objects, each with three letters."""

    def __init__(self, *names: str, size: int = 3) -> None:
        """Have objects that report this size."""
        self.names, self.size = names, size

    def list_objects(self, _bucket: str, *, prefix: str, recursive: bool) -> Iterator[Object]:
        assert recursive
        return (Object(name, self.size) for name in self.names if name.startswith(prefix))

    def get_object(self, _bucket: str, name: str, *, request_headers: dict[str, str]) -> Response:
        assert request_headers == {"If-Match": '"e"'}
        return Response(name[-3:].encode())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("download_s3", directory("scripts") / "download_s3.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(place: Path) -> set[str]:
    return {str(file.relative_to(place)) for file in place.rglob("*") if file.is_file()}


def test_objects_below_the_prefix_become_files_and_directories_of_their_names(script: Any, tmp_path: Path) -> None:
    bucket = Bucket("a/", "a/b/", "a/one", "a/b/two", "a/b c/$(id)", "ab/other")
    script.download(bucket, "models", "a/", tmp_path)
    assert files(tmp_path) == {"one", "b/two", "b c/$(id)"}


@pytest.mark.parametrize("name", ["a/../../out", "a/b/../c", "a//etc", "a/./b", "a/b\0c"])
def test_an_object_that_would_be_a_file_elsewhere_ends_the_download(script: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "files").mkdir()
    with pytest.raises(SystemExit, match="is not a valid file name"):
        script.download(Bucket("a/one", name), "models", "a/", tmp_path / "files")
    assert files(tmp_path) == set()


@pytest.mark.parametrize("names", [("a/one", "a/one/two"), ("a/d/e/one", "a/d", "a/x"), ("a/.ftc", "a/.ftc/x/y")])
def test_a_name_that_is_both_a_file_and_a_directory_ends_the_download_before_the_first_byte(
    script: Any, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(SystemExit, match="is also the directory of another object"):
            script.download(Bucket(*order), "models", "a/", tmp_path)
    assert files(tmp_path) == set()


def test_an_object_that_the_server_lists_outside_of_the_prefix_or_twice_ends_the_download(
    script: Any, tmp_path: Path
) -> None:
    lying = Bucket("a/one", "a/one")
    with pytest.raises(FileExistsError):
        script.download(lying, "models", "a/", tmp_path / "twice")
    lying.list_objects = lambda *_, **__: iter([Object("b/../../one")])  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match="is not a valid file name"):
        script.download(lying, "models", "a/", tmp_path / "outside")


def test_nothing_is_written_through_a_link(script: Any, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("results", encoding="utf-8")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        script.download(Bucket("a/one"), "models", "a/", tmp_path / "files")
    assert (tmp_path / "precious").read_text() == "results"


def test_an_object_that_came_short_ends_the_download(script: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has 9 bytes, but the download has 3"):
        script.download(Bucket("a/one", size=9), "models", "a/", tmp_path)


def test_what_was_fetched_is_known_by_all_that_it_was_made_of(script: Any, tmp_path: Path) -> None:
    sets = {"first": ("a/one",), "same": ("a/one",), "more": ("a/one", "a/two")}
    for name in sets:
        (tmp_path / name).mkdir()
    found = {name: script.download(Bucket(*names), "m", "a/", tmp_path / name) for name, names in sets.items()}
    assert found["first"] == found["same"] != found["more"]
