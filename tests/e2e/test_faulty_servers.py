"""Whatever a server does from any request on, a download with a marker is correct, and one line names the source."""

from __future__ import annotations

import math
import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest

from e2e import hub_server
from e2e.faulty_proxy import Fault, faulty
from e2e.fetching import Fetch
from e2e.git_server import TOKEN, USER, GitServer, virtual_environment
from e2e.hub_server import serve_hub
from e2e.s3_server import S3Server, serve_s3
from e2e.trainer_environment import installed_trainer
from e2e.waiting import wait_until
from unit.compiling import ROOT
from unit.scripts.kill_points import kill_session
from unit.scripts.small_disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

KINDS = (
    *("500", "401", "403", "404", "429", "page", "redirects", "reset", "reset-half-way", "cut", "zeros"),
    *("trickles", "hangs"),
)
# A client may try again after these.
ONCE = ("500", "503", "429", "page", "reset", "reset-half-way", "cut", "zeros")
FAULTS = (*((kind, 1_000_000) for kind in KINDS), *((kind, 1) for kind in ONCE))
# `make test` has each fault at one request of each source, and each time at another; `make test-all` at all of them.
AT = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one", "every"])


class Source(NamedTuple):
    """A source, its program and its port; `{address}` is the proxy's."""

    port: int
    files: Path
    downloader: tuple[str, ...]
    variables: dict[str, str]
    named: str

    def fetch(self, root: Path, address: str) -> Fetch:
        """The fetch through a proxy."""
        variables = {name: value.replace("{address}", address) for name, value in self.variables.items()}
        return Fetch(root, self.files, self.downloader, **variables)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server."""
    with serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


# The older trainer has version 0 of huggingface_hub, another program for the same server.
OLD = pytest.param("old-hub", marks=pytest.mark.slow)


@pytest.fixture(params=["git", "huggingface", OLD, "modelscope", "s3"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, model_files: Path, git_server: GitServer
) -> Iterator[Source]:
    """The same files on a server of each kind."""
    kind: str = request.param
    if kind == "git":
        name = f"org/faulty-{abs(hash(tmp_path))}"
        git_server.create(name)
        git_server.push(name, model_files)
        login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN, "SOURCE": f"{{address}}/{name}.git"}
        yield Source(git_server.http, model_files, ("bash", "download_git.sh"), login, f"/{name}.git")
    elif kind == "s3":
        server: S3Server = request.getfixturevalue("s3")
        bucket = f"faulty-{abs(hash(tmp_path))}"
        server.put(bucket, model_files)
        python = virtual_environment(ROOT / "conf/pins/0.9.5+5.6.0/s3.txt", "s3-client") / "bin" / "python"
        keys = {"S3_ACCESS_KEY_ID": server.key[0], "S3_SECRET_ACCESS_KEY": server.key[1], "S3_REGION": "us-east-1"}
        place = {"SOURCE": f"s3://{bucket}", "S3_BUCKET": bucket, "S3_ENDPOINT": "{address}", "S3_ADDRESSING": "path"}
        port = urlsplit(server.url).port or 0
        yield Source(port, model_files, (str(python), "download_s3.py"), {**keys, **place}, bucket)
    else:
        shutil.copytree(model_files, tmp_path / "hub" / "org" / "name")
        python = installed_trainer("0.9.3" if kind == "old-hub" else "0.9.5") / "bin" / "python"
        hub = "modelscope" if kind == "modelscope" else "huggingface"
        settings = {"HUB": hub, "REPO_TYPE": "model", "SOURCE": "org/name"}
        token = {"HF_ENDPOINT": "{address}", "HF_TOKEN": hub_server.TOKEN}
        if kind == "modelscope":
            settings["REVISION"] = "master"
            token = {"MODELSCOPE_ENDPOINT": "{address}", "MODELSCOPE_DOMAIN": "{address}"}
            token["MODELSCOPE_API_TOKEN"] = hub_server.TOKEN
        with serve_hub(tmp_path / "hub") as address:
            port = urlsplit(address).port or 0
            yield Source(port, model_files, (str(python), "download_hub.py"), {**settings, **token}, "org/name")


class Whole(NamedTuple):
    """A fetch that goes well: how many requests it makes, and how many seconds it takes on this machine."""

    requests: int
    seconds: float

    def numbers(self, chosen: int | None) -> list[int]:
        """The numbers of its requests, from 1; one of them if it is chosen."""
        return list(range(1, self.requests + 1)) if chosen is None else [1 + chosen % self.requests]

    def limit(self) -> str:
        """A time limit that only a server that keeps its client waiting can reach, also on a busy machine."""
        return str(math.ceil(4 + 5 * self.seconds))


def whole(source: Source, root: Path) -> Whole:
    """Fetch without a fault."""
    fault, start = Fault(), time.monotonic()
    with faulty(source.port, fault) as address:
        fetch = source.fetch(root, address)
        done = fetch.scripts.run("fetch.sh", *source.downloader)
    assert done.status == 0, done.log
    fetch.check(marked=True)
    return Whole(len(fault.seen), time.monotonic() - start)


@pytest.fixture(scope="session")
def wholes() -> dict[str, Whole]:
    """What `whole` found for each kind of source."""
    return {}


@AT
@pytest.mark.parametrize("goes_wrong", FAULTS, ids=lambda one: f"{one[0]}-{'once' if one[1] == 1 else 'on'}")
def test_a_server_that_goes_wrong_at_any_request(
    source: Source, tmp_path: Path, wholes: dict[str, Whole], goes_wrong: tuple[str, int], *, every: bool
) -> None:
    kind, times = goes_wrong
    if kind == "zeros" and "S3_BUCKET" in source.variables:
        pytest.skip("an S3 server says no digest of an object that holds with each kind of encryption")
    server = " ".join((source.downloader[0], source.variables.get("HUB", source.downloader[-1])))
    if server not in wholes:
        wholes[server] = whole(source, tmp_path / "whole")
    well = wholes[server]
    for number in well.numbers(None if every else FAULTS.index(goes_wrong)):
        fault = Fault(kind, number, times)
        with faulty(source.port, fault) as address:
            fetch = source.fetch(tmp_path / str(number), address)
            done = fetch.scripts.run("fetch.sh", *source.downloader, FETCH_TIMEOUT=well.limit())
        at = f"{kind} from request {number} on, {times} times, {fault.seen}\n{done.log}"
        fetch.check(marked=done.status == 0)
        assert fetch.temporary() == [], at
        said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
        assert (done.status, len(said)) in ((0, 0), (1, 1)), at
        assert done.status == 0 or source.named in said[0], at


@AT
def test_a_fetch_that_is_killed_while_it_waits_for_any_answer(source: Source, tmp_path: Path, *, every: bool) -> None:
    for number in whole(source, tmp_path / "whole").numbers(None if every else 2):
        fault = Fault("hangs", number)
        with faulty(source.port, fault) as address:
            fetch = source.fetch(tmp_path / str(number), address)
            words = ["bash", str(fetch.scripts.root / "fetch.sh"), *fetch.words()]
            started = subprocess.Popen(words, env=fetch.variables(), start_new_session=True)
            wait_until(partial(fault.has_seen, number))
            kill_session(started.pid)
            started.wait()
            fetch.check()
            assert not fetch.target.exists()
            fault.kind = ""
            done = fetch.scripts.run("fetch.sh", *source.downloader)
        assert done.status == 0, done.log
        fetch.check(marked=True)
        assert len(fetch.temporary()) <= 1


@pytest.mark.parametrize("step", [40, pytest.param(4, marks=pytest.mark.slow)])
def test_a_volume_without_room_for_more_files(source: Source, tmp_path: Path, step: int) -> None:
    for left in range(0, 160, step):
        fault = Fault()
        with small_disk(tmp_path / str(left) / "volume", pages=4000) as disk, faulty(source.port, fault) as address:
            fetch = source.fetch(tmp_path / str(left), address)
            disk.leave_files(left)
            done = fetch.scripts.run("fetch.sh", *source.downloader)
            said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
            assert (done.status, len(said)) in ((0, 0), (1, 1)), f"{left} files left\n{done.log}"
            disk.free()
            fetch.check(marked=done.status == 0)
            assert fetch.temporary() == []
            done = fetch.scripts.run("fetch.sh", *source.downloader)
            assert done.status == 0, done.log
            fetch.check(marked=True)


@pytest.mark.parametrize("source", ["git", "s3"], indirect=True)
def test_a_source_that_changes_between_two_requests_comes_whole_in_one_version_or_not_at_all(
    source: Source, tmp_path: Path, model_files: Path, git_server: GitServer, request: pytest.FixtureRequest
) -> None:
    versions = {}
    for version in ("old", "new"):
        versions[version] = tmp_path / f"version-{version}"
        shutil.copytree(model_files, versions[version])
        for file in versions[version].rglob("*.*"):
            file.write_bytes(version.encode() + file.read_bytes())

    def put(version: str) -> None:
        if "S3_BUCKET" in source.variables:
            server: S3Server = request.getfixturevalue("s3")
            server.put(source.named, versions[version])
        else:
            git_server.push(source.named.strip("/").removesuffix(".git"), versions[version])

    def put_new(number: int, now: int) -> None:
        if now == number:
            put("new")

    for number in whole(source, tmp_path / "whole").numbers(None):
        put("old")
        fault = Fault(before=partial(put_new, number))
        with faulty(source.port, fault) as address:
            fetch = source.fetch(tmp_path / str(number), address)
            done = fetch.scripts.run("fetch.sh", *source.downloader)
        assert fetch.temporary() == []
        if done.status != 0:
            said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
            assert len(said) == 1, done.log
            assert source.named in said[0]
            assert not fetch.target.exists()
            continue
        config = (fetch.target / "files" / "config.json").read_bytes()
        fetch.files = versions[config[:3].decode()]
        fetch.check(marked=True)
