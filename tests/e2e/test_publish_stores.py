"""A result in a bucket is complete or unmarked, and a hub's repository has the requested visibility."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from e2e import hub_server
from e2e.git_server import virtual_environment
from e2e.hub_server import serve_hub
from e2e.pod_scripts import SINGLE, Ended, PodScripts, pod_scripts
from e2e.s3_server import S3Server, serve_s3
from unit.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

FILES = {"model.safetensors": b"weights" * 1000, "a b/[1] é#.json": b"{}\n"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server; each test makes its own bucket."""
    with serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """The output of a training."""
    made = tmp_path / "workspace" / "job-1" / "output"
    for name, content in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    (made / "checkpoint-5").mkdir()
    (made / "checkpoint-5" / "optimizer.pt").write_bytes(b"not to be published")
    (made.parent / "train.done").write_text("done", encoding="utf-8")
    return made


def scripts(root: Path, python: Path | str, **environment: str) -> PodScripts:
    """The scripts of a pod whose python3 is the given one."""
    (root / "bin").mkdir()
    (root / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n', encoding="utf-8")
    (root / "bin" / "python3").chmod(0o755)
    path = f"{root}/bin:{os.environ['PATH']}"
    own = {"WORKSPACE": str(root / "workspace"), "JOB_NAME": "job-1", "NNODES": "1", "PATH": path}
    return pod_scripts(root / "ftc", SINGLE, **own, **environment)


def publish(found: PodScripts, script: str, **environment: str) -> Ended:
    """Publish with a Python script."""
    return found.run("publish.sh", "python3", "-I", str(found.root / script), **environment)


@pytest.fixture
def to_s3(tmp_path: Path, s3: S3Server) -> PodScripts:
    """The script that publishes to a bucket with an object in it."""
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "other").write_bytes(b"of another")
    s3.put(f"b{os.getpid()}{tmp_path.name.replace('_', '-')[:40]}".rstrip("-"), tmp_path / "before")
    client = virtual_environment(ROOT / "conf/pins/0.9.5+5.6.0/s3.txt", "s3-client")
    place = {"S3_ENDPOINT": s3.url, "S3_REGION": "us-east-1", "S3_ADDRESSING": "path", "S3_PREFIX": "team a"}
    keys = {"S3_ACCESS_KEY_ID": s3.key[0], "S3_SECRET_ACCESS_KEY": f"{s3.key[1]}\n"}
    bucket = f"b{os.getpid()}{tmp_path.name.replace('_', '-')[:40]}".rstrip("-")
    return scripts(tmp_path, client / "bin" / "python", **place, **keys, S3_BUCKET=bucket)


def objects(to_s3: PodScripts, s3: S3Server, directory: Path) -> dict[str, bytes]:
    """The objects of the run in the bucket."""
    found = s3.get(to_s3.environment["S3_BUCKET"], directory) / "team a" / "job-1"
    return {str(file.relative_to(found)): file.read_bytes() for file in found.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("result")
def test_a_bucket_gets_every_file_under_its_name_and_the_mark_last(
    to_s3: PodScripts, s3: S3Server, tmp_path: Path
) -> None:
    done = publish(to_s3, "publish_s3.py", PUBLISH_CARD="license: mit\n")
    assert done.status == 0, done.log
    found = objects(to_s3, s3, tmp_path / "got")
    assert found.pop("_SUCCESS").startswith(b"20")
    assert found.pop("README.md").startswith(b'---\nlicense: mit\nftc_run: "20')
    assert found == FILES
    again = publish(to_s3, "publish_s3.py", PUBLISH_CARD="license: mit\n")
    assert again.status == 0
    assert again.says("published before")


def test_the_mark_of_an_earlier_result_is_gone_before_the_next_one_comes(
    to_s3: PodScripts, s3: S3Server, result: Path, tmp_path: Path
) -> None:
    assert publish(to_s3, "publish_s3.py").status == 0
    os.utime(result.parent / "train.done", (1767323045, 1767323045))
    (result / "model.safetensors").write_bytes(b"another" * 1000)
    refused = result / "new\nline"  # moto does not route such a name; it is the largest file, so it is the last one
    refused.write_bytes(b"x" * 100_000)
    failed = publish(to_s3, "publish_s3.py")
    assert failed.status == 1
    assert "_SUCCESS" not in objects(to_s3, s3, tmp_path / "half")
    refused.unlink()
    assert publish(to_s3, "publish_s3.py").status == 0
    found = objects(to_s3, s3, tmp_path / "whole")
    assert found["_SUCCESS"].startswith(b"20260102-030405-")
    assert found["model.safetensors"] == b"another" * 1000


@pytest.mark.parametrize("script", ["publish_s3.py", "publish_hub.py"])
@pytest.mark.parametrize("kind", ["link", "bytes", "mark"])
def test_what_a_store_cannot_take_or_a_trainer_never_writes_is_refused_first(
    tmp_path: Path, result: Path, script: str, kind: str
) -> None:
    match kind:
        case "link":
            (result / "config.json").symlink_to("/proc/self/environ")
            reason = "'config.json' of the result is a link or not a file"
        case "bytes":
            (tmp_path / "odd").write_bytes(b"")
            os.rename(os.fsencode(tmp_path / "odd"), os.fsencode(result) + b"/\xff")  # noqa: PTH104 - bytes
            reason = "is not UTF-8"
        case _:
            (result / "_SUCCESS").write_bytes(b"")
            reason = "has a file _SUCCESS"
    if kind == "mark" and script != "publish_s3.py":
        pytest.skip("the name means something in a bucket only")
    done = publish(scripts(tmp_path, sys.executable), script)
    assert done.status == 1
    assert done.says(reason), done.log


@pytest.fixture
def to_hub(tmp_path: Path, trainer: Path) -> Iterator[PodScripts]:
    """The script that publishes to a repository of a hub."""
    (tmp_path / "hub").mkdir()
    place = {"PUBLISH_REPOSITORY": "team/tuned", "PUBLISH_BRANCH": "main", "PUBLISH_MESSAGE": "tuned"}
    with serve_hub(tmp_path / "hub") as address:
        secret = {"PUBLISH_TOKEN": f"{hub_server.TOKEN}\n", "PUBLISH_ENDPOINT": address}
        yield scripts(tmp_path, trainer / "bin" / "python3", **place, **secret, PUBLISH_PRIVATE="true")


@pytest.mark.usefixtures("result")
def test_a_hub_gets_every_file_by_its_descriptor(to_hub: PodScripts, tmp_path: Path) -> None:
    done = publish(to_hub, "publish_hub.py", PUBLISH_CARD="license: mit\n")
    assert done.status == 0, done.log
    committed = tmp_path / "hub" / "team" / "tuned"
    found = {str(file.relative_to(committed)): file.read_bytes() for file in committed.rglob("*") if file.is_file()}
    assert found.pop("README.md").startswith(b'---\nlicense: mit\nftc_run: "20')
    assert found == FILES
    assert publish(to_hub, "publish_hub.py").status == 0


@pytest.mark.usefixtures("result")
def test_a_private_result_is_not_committed_to_a_public_repository(to_hub: PodScripts, tmp_path: Path) -> None:
    public = tmp_path / "hub" / "team" / "tuned"
    public.mkdir(parents=True)
    done = publish(to_hub, "publish_hub.py")
    assert done.status == 1
    assert done.says("team/tuned is a public repository, but publish.private is true")
    assert list(public.iterdir()) == []
    assert publish(to_hub, "publish_hub.py", PUBLISH_PRIVATE="false").status == 0
    assert (public / "model.safetensors").exists()
