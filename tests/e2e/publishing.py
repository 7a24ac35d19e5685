"""Publishes a result to a real store through a proxy, and counts what the store shows as finished."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from e2e import hub_server
from e2e.faulty_proxy import Fault, faulty
from e2e.git_server import TOKEN, USER, GitServer, virtual_environment
from e2e.pod_scripts import SINGLE, Ended, PodScripts, pod_scripts
from e2e.waiting import wait_until
from unit.compiling import ROOT
from unit.scripts.kill_points import kill_session
from unit.scripts.small_disk import SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.s3_server import S3Server

    Fill = Callable[[SmallDisk, int], None]

Found = dict[str, bytes]


def files_of(name: str) -> Found:
    """The result of a run: its weights are in no other run, because a server keeps the same content only once."""
    weights = f"{name} ".encode() * 5000
    return {"adapter_model.safetensors": weights, "adapter_config.json": b"{}\n", "a b/[1] é#.json": b"[]\n"}


class Store(Protocol):
    """A server that takes results; each run has its own name."""

    @property
    def port(self) -> int:
        """Where it listens."""

    def scripts(self, root: Path, name: str, address: str) -> PodScripts:
        """The scripts of a pod that publishes to an address."""

    def uploader(self, scripts: PodScripts) -> tuple[str, ...]:
        """The command that publish.sh is given."""

    def finished(self, name: str, scratch: Path) -> list[Found]:
        """The files of each result that a reader takes for a finished one."""


def pod_of(root: Path, name: str, python: Path | None, **environment: str) -> PodScripts:
    """The scripts of a pod with a result."""
    result = root / "workspace" / name / "output"
    for file, content in files_of(name).items():
        (result / file).parent.mkdir(parents=True, exist_ok=True)
        (result / file).write_bytes(content)
    (result.parent / "train.done").write_text("done", encoding="utf-8")
    own = {"WORKSPACE": str(root / "workspace"), "JOB_NAME": name, "NNODES": "1"}
    path = f"{python.parent}:{os.environ['PATH']}" if python else os.environ["PATH"]
    return pod_scripts(root / "ftc", SINGLE, **own, PATH=path, **environment)


def files_in(directory: Path) -> Found:
    """The files of a directory, without those of git."""
    found = {str(file.relative_to(directory)): file for file in directory.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in found.items() if not name.startswith(".git")}


@dataclass(frozen=True)
class Git:
    """A git server: a branch is a finished result."""

    server: GitServer

    @property
    def port(self) -> int:
        return self.server.http

    def scripts(self, root: Path, name: str, address: str) -> PodScripts:
        self.server.create(f"publish/{name}")
        place = {"PUBLISH_URL": f"{address}/publish/{name}.git", "PUBLISH_BRANCH_PREFIX": "run"}
        return pod_of(root, name, None, **place, PUBLISH_MESSAGE="a run", GIT_USER=USER, GIT_TOKEN=TOKEN)

    def uploader(self, scripts: PodScripts) -> tuple[str, ...]:
        return ("bash", str(scripts.root / "publish_git.sh"))

    def finished(self, name: str, scratch: Path) -> list[Found]:
        clones = {branch: scratch / f"clone-{branch}" for branch in self.server.branches(f"publish/{name}")}
        return [files_in(self.server.clone(f"publish/{name}", branch, place)) for branch, place in clones.items()]


@dataclass(frozen=True)
class Hub:
    """A hub, whose repositories are directories: every commit is a finished result."""

    files: Path
    port: int
    python: Path
    branch: str = "tuned"

    def scripts(self, root: Path, name: str, address: str) -> PodScripts:
        place = {"PUBLISH_REPOSITORY": f"team/{name}", "PUBLISH_BRANCH": self.branch, "PUBLISH_MESSAGE": "a run"}
        secret = {"PUBLISH_TOKEN": hub_server.TOKEN, "PUBLISH_ENDPOINT": address, "PUBLISH_PRIVATE": "true"}
        return pod_of(root, name, self.python, **place, **secret)

    def uploader(self, scripts: PodScripts) -> tuple[str, ...]:
        return ("python3", "-I", str(scripts.root / "publish_hub.py"))

    def finished(self, name: str, scratch: Path) -> list[Found]:  # noqa: ARG002 - of the protocol
        branch = self.files / "team" / (name if self.branch == "main" else f"{name}@{self.branch}")
        commits = branch.with_name(f"{branch.name}.commits")
        if not commits.exists():
            assert files_in(branch) == {}
            return []
        return [files_in(branch)] * len(commits.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 server: what has `_SUCCESS` is a finished result."""

    server: S3Server
    name: str
    python: Path = field(
        default_factory=lambda: virtual_environment(ROOT / "conf/pins/0.9.5+5.6.0/s3.txt", "s3-client") / "bin/python3"
    )

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    def scripts(self, root: Path, name: str, address: str) -> PodScripts:
        place = {"S3_ENDPOINT": address, "S3_REGION": "us-east-1", "S3_ADDRESSING": "path", "S3_BUCKET": self.name}
        keys = {"S3_ACCESS_KEY_ID": self.server.key[0], "S3_SECRET_ACCESS_KEY": self.server.key[1]}
        return pod_of(root, name, self.python, **place, **keys)

    def uploader(self, scripts: PodScripts) -> tuple[str, ...]:
        return ("python3", "-I", str(scripts.root / "publish_s3.py"))

    def finished(self, name: str, scratch: Path) -> list[Found]:
        own = files_in(self.server.get(self.name, scratch / "objects", f"{name}/") / name)
        return [own] if own.pop("_SUCCESS", None) else []


class Publishing:
    """One result for a store."""

    _numbers = itertools.count()

    def __init__(self, root: Path, store: Store) -> None:
        """Make the directory of its pods."""
        self.store, self.number = store, next(self._numbers)
        self.name, self.root = f"run-{os.getpid()}-{self.number}", root / f"run-{self.number}"
        self.root.mkdir(parents=True)
        self._looks = itertools.count()
        self._pod: PodScripts | None = None

    def pod(self, address: str) -> PodScripts:
        """The scripts of its pod, which is the same for every attempt."""
        if self._pod is None:
            self._pod = self.store.scripts(self.root, self.name, "{address}")
        filled = {name: value.replace("{address}", address) for name, value in self._pod.environment.items()}
        return PodScripts(self._pod.root, filled)

    def publish(self, fault: Fault, limit: str = "60", **environment: str) -> Ended:
        """Publish through a proxy."""
        with faulty(self.store.port, fault) as address:
            pod = self.pod(address)
            return pod.run("publish.sh", *self.store.uploader(pod), PUBLISH_TIMEOUT=limit, **environment)

    def kill_at(self, fault: Fault) -> None:
        """Kill the pod when its request has come to which something happens."""
        with faulty(self.store.port, fault) as address:
            pod = self.pod(address)
            words = ["bash", str(pod.root / "publish.sh"), *self.store.uploader(pod)]
            with (self.root / "killed.log").open("wb") as log:
                variables = {"HOME": str(self.root), **pod.environment}
                started = subprocess.Popen(words, env=variables, stdout=log, stderr=log, start_new_session=True)
            wait_until(partial(self._waits, fault, started), 60)
            kill_session(started.pid)
            started.wait()

    def _waits(self, fault: Fault, started: subprocess.Popen[bytes]) -> bool:
        assert started.poll() is None, (self.root / "killed.log").read_text()
        return fault.hanging.is_set()

    def finished(self) -> int:
        """How often the store has the result; what it shows as finished is whole."""
        scratch = self.root / f"look-{next(self._looks)}"
        scratch.mkdir()
        found = self.store.finished(self.name, scratch)
        assert all(files == files_of(self.name) for files in found), [sorted(files) for files in found]
        return len(found)

    def check_restart(self) -> None:
        """A restart of the container ends well, with the result there once."""
        again = self.publish(Fault())
        assert again.status == 0, again.log
        assert self.finished() == 1


def requests_of(root: Path, store: Store) -> list[str]:
    """The requests of a publishing if all goes well."""
    run, fault = Publishing(root, store), Fault()
    done = run.publish(fault)
    assert done.status == 0, done.log
    assert run.finished() == 1
    return fault.seen


def kill_and_restart(root: Path, store: Store, number: int, kind: str) -> None:
    """Kill the publishing at one of its requests; `hangs` is before the server has it, `done-and-hangs` after."""
    run = Publishing(root, store)
    run.kill_at(Fault(kind, number))
    assert run.finished() <= 1
    run.check_restart()


def fill_and_publish(root: Path, store: Store, full: Fill, left: int) -> int:
    """Publish with so much left on the disk of the container, and again with more; the status of the first attempt."""
    run = Publishing(root, store)
    with small_disk(run.root / "disk", pages=1000) as disk:
        full(disk, left)
        done = run.publish(Fault(), TMPDIR=str(disk.place), HOME=str(disk.place))
        said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
        assert (done.status, len(said)) in ((0, 0), (1, 2)), f"{left} left\n{done.log}"
        unpublished = "ftc: error: publish: the result is not published, or only a part of it"
        assert done.status == 0 or said[1].startswith(unpublished)
        assert run.finished() == (1 if done.status == 0 else 0)
        disk.free()
        again = run.publish(Fault(), TMPDIR=str(disk.place), HOME=str(disk.place))
        assert again.status == 0, again.log
        assert run.finished() == 1
    return done.status
