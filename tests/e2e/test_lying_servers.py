"""If a server lies, is cut off or is the wrong one, the fetch fails with one clear line and leaves nothing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from e2e.git_server import TOKEN, USER, GitServer
from e2e.hub_uploads import COMMIT
from e2e.pod_scripts import VOLCANO, Ended, PodScripts, pod_scripts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

LOGIN = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    """The scripts of a pod whose volume has the result of another run."""
    (tmp_path / "volume" / "cache").mkdir(parents=True)
    (tmp_path / "volume" / "results").write_text("results", encoding="utf-8")
    target = str(tmp_path / "volume" / "cache" / "source-1f0c2a9e")
    place = {"SOURCE": "org/name", "TARGET_DIR": target, "SHARED_CACHE": "true", "NNODES": "1", "FETCH_TIMEOUT": "600"}
    return pod_scripts(tmp_path / "ftc", VOLCANO, **place)


def refused(done: Ended, scripts: PodScripts) -> str:
    """The error line of a fetch that has left nothing."""
    volume = scripts.root.parent / "volume"
    assert done.status == 1, done.log
    assert list((volume / "cache").iterdir()) == []
    assert [file.name for file in volume.iterdir() if file.is_file()] == ["results"]
    assert (volume / "results").read_text() == "results"
    (line,) = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
    return line


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve until the end of the block; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Answers(BaseHTTPRequestHandler):
    """Every path has one answer."""

    def do_GET(self) -> None:
        self.answer(b"<html><title>Sign in</title></html>", "text/html")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, body: bytes, kind: str, *, size: int | None = None, tag: str = "e") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size or len(body)))
        self.send_header("ETag", f'"{tag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


def test_a_page_in_the_place_of_a_git_repository_is_one_clear_line(scripts: PodScripts) -> None:
    with serve(Answers) as address:
        done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=f"{address}/org/name.git", **LOGIN)
    assert "are the address, the revision and the token in the Secret right?" in refused(done, scripts)


def lfs_objects(server: GitServer) -> list[Path]:
    """The files of the server's LFS objects."""
    return [file for file in (server.root / "lfs").rglob("*") if file.is_file()]


@pytest.mark.parametrize("lie", ["truncated", "other", "gone", "empty"])
def test_an_lfs_object_that_is_not_the_one_that_was_asked_for_is_refused(
    scripts: PodScripts, git_server: GitServer, model_files: Path, lie: str
) -> None:
    url = git_server.create(f"org/lfs-{lie}")
    before = set(lfs_objects(git_server))
    git_server.push(f"org/lfs-{lie}", model_files)
    for file in set(lfs_objects(git_server)) - before:
        content = file.read_bytes()
        changed = {"truncated": content[:-7], "other": bytes(len(content)), "empty": b"", "gone": b""}[lie]
        file.write_bytes(changed)
        if lie == "gone":
            file.unlink()
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, **LOGIN)
    assert "LFS object" in refused(done, scripts)


class HuggingFace(Answers):
    """A hub that lists one file with this name and size."""

    listed: ClassVar[dict[str, int]] = {}
    sent = b"0123456789"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        files = [{"rfilename": name, "size": size} for name, size in self.listed.items()]
        entries = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in self.listed.items()]
        if "/tree/" in path:
            self.answer(json.dumps(entries).encode(), "application/json")
        elif path.startswith("/api/"):
            body = {"id": "org/name", "sha": COMMIT, "private": False, "tags": [], "siblings": files}
            self.answer(json.dumps(body).encode(), "application/json")
        else:
            self.answer(self.sent, "application/octet-stream")


class ModelScope(HuggingFace):
    """The same for ModelScope."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "FilePath" in query:
            self.answer(self.sent, "application/octet-stream")
            return
        entry = {"Type": "blob", "Revision": COMMIT, "IsLFS": False, "Mode": "33188"}
        files = [{**entry, "Name": name, "Path": name, "Size": size} for name, size in self.listed.items()]
        self.answer(json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode(), "application/json")


def fetch_from(hub: type[HuggingFace], scripts: PodScripts, python: Path, **listed: int) -> Ended:
    """Fetch from a hub that lists files, with the real client."""
    handler = type("Lying", (hub,), {"listed": listed})
    name = hub.__name__.lower()
    with serve(handler) as address:
        settings = {"HF_ENDPOINT": address, "MODELSCOPE_ENDPOINT": address, "MODELSCOPE_DOMAIN": address}
        words = ("fetch.sh", str(python / "bin" / "python"), "download_hub.py")
        revision = {"REVISION": "master"} if name == "modelscope" else {}
        return scripts.run(*words, HUB=name, REPO_TYPE="model", **settings, **revision, MODELSCOPE_API_TOKEN="none")  # noqa: S106 - no secret


OUTSIDE = ["../../../results2", "a/../../../../results2", "/VOLUME/results2", "..", "a/.."]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("hub", [HuggingFace, ModelScope])
def test_a_hub_that_lists_a_name_outside_of_the_repository_writes_nothing_there(
    scripts: PodScripts, trainer: Path, hub: type[HuggingFace], name: str
) -> None:
    name = name.replace("/VOLUME", str(scripts.root.parent / "volume"))
    refused(fetch_from(hub, scripts, trainer, **{name: 10}), scripts)


@pytest.mark.parametrize("hub", [HuggingFace, ModelScope])
def test_a_file_of_a_hub_that_came_short_is_refused(scripts: PodScripts, trainer: Path, hub: type[HuggingFace]) -> None:
    refused(fetch_from(hub, scripts, trainer, **{"model.safetensors": 11}), scripts)


@pytest.mark.parametrize("hub", [HuggingFace, ModelScope])
def test_what_a_client_keeps_for_itself_does_not_stay_nor_does_a_copy_of_it_in_the_repository(
    scripts: PodScripts, trainer: Path, hub: type[HuggingFace]
) -> None:
    listed = {
        "config.json": 10,
        ".cache/huggingface/download/config.json.metadata": 10,
        ".cache/huggingface/.gitignore": 10,
    }
    done = fetch_from(hub, scripts, trainer, **listed)
    assert done.status == 0, done.log
    files = scripts.root.parent / "volume" / "cache" / "source-1f0c2a9e" / "files"
    assert [file.name for file in files.iterdir()] == ["config.json"]


@pytest.mark.parametrize("hub", [HuggingFace, ModelScope])
def test_a_page_in_the_place_of_a_hub_is_one_clear_line(
    scripts: PodScripts, trainer: Path, hub: type[HuggingFace]
) -> None:
    page = type(hub.__name__, (hub,), {"do_GET": Answers.do_GET})
    line = refused(fetch_from(page, scripts, trainer), scripts)
    assert "cannot download org/name" in line
