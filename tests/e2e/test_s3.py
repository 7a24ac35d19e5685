"""Models and datasets come from S3 and results go there, with keys that other containers do not see."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from e2e.compiling import compile_manifest
from e2e.git_server import virtual_environment
from e2e.processes import arguments_with, files_with
from e2e.s3_server import S3Server, serve_s3
from e2e.tiny_dataset import write_dataset
from e2e.volcano import VolcanoJob
from e2e.waiting import SOON
from unit.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

SHOW = '[bash,-c,\'cat "$MODEL_DIR/config.json"; sha256sum <"$MODEL_DIR/model.safetensors"\']'
PROGRAM = ("hardware=cpu", "launcher=command", f"launcher.command={SHOW}", "model=qwen3-0.6b", "image=any")
SMALL = (
    *("hardware=cpu", "train.cutoff_len=128", "train.preprocessing_num_workers=1", "train.max_steps=2"),
    *("train.per_device_train_batch_size=4", "train.gradient_accumulation_steps=1", "train.logging_steps=1"),
)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for all tests of a process; each test creates its own buckets."""
    with serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def with_s3(cluster: Cluster, s3: S3Server) -> Cluster:
    """A cluster whose image has the client that `-t image` installs, and whose Secrets have the key."""
    client = virtual_environment(ROOT / "conf/pins/0.9.5+5.6.0/s3.txt", "s3-client")
    variables = {**cluster.image.environment, "PATH": f"{client}/bin:{cluster.image.environment['PATH']}"}
    image = replace(cluster.image, directories=(*cluster.image.directories, client), environment=variables)
    keys = {"AWS_ACCESS_KEY_ID": s3.key[0], "AWS_SECRET_ACCESS_KEY": f"{s3.key[1]}\n"}
    wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "wrong"}
    return replace(cluster, image=image, secrets={**cluster.secrets, "s3": keys, "wrong": wrong})


def source(s3: S3Server, owner: str, bucket: str, secret: str = "s3") -> tuple[str, ...]:  # noqa: S107 - a name
    """The overrides for a source in a bucket."""
    key = f"{owner}.source"
    place = (f"{key}.bucket={bucket}", f"{key}.endpoint={s3.url}", f"{key}.credentials.secret={secret}")
    return (f"source@{key}=s3", *place)


def run(cluster: Cluster, *overrides: str) -> VolcanoJob:
    """Compile and run a job."""
    return VolcanoJob(compile_manifest(*overrides), cluster).start().wait(300)


def test_a_model_comes_from_its_prefix_and_is_fetched_once(
    with_s3: Cluster, s3: S3Server, model_files: Path, tmp_path: Path
) -> None:
    for directory in ("models/qwen 模型", "models/qwen 模型 2"):
        shutil.copytree(model_files, tmp_path / "bucket" / directory)
    (tmp_path / "bucket" / "models/qwen 模型 2/config.json").write_text("the wrong one")
    s3.put("by-prefix", tmp_path / "bucket")
    overrides = (*PROGRAM, *source(s3, "model", "by-prefix"), "model.source.prefix='models/qwen 模型'")
    for said in ("downloading", "found in the cache"):
        job = run(with_s3, *overrides)
        assert job.succeeded, job.log
        assert '{"model_type": "none"}' in job.log
        assert f"ftc: {said}" in job.log
        assert s3.key[1] not in job.log
    (fetched,) = (with_s3.claim("workspace") / "cache").iterdir()
    assert (fetched / "files/sub/with a blank.safetensors").read_bytes() == (
        model_files / "sub/with a blank.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("model.source.credentials.secret=wrong",), "SignatureDoesNotMatch"),
        (("model.source.bucket=not-there",), "NoSuchBucket"),
        (("model.source.prefix=not-there",), "bucket refusing has no objects below not-there/"),
        (("model.source.endpoint=http://127.0.0.1:9",), "Connection refused"),
    ],
)
def test_a_server_that_refuses_is_one_clear_line(
    with_s3: Cluster, s3: S3Server, model_files: Path, change: tuple[str, ...], reason: str
) -> None:
    s3.put("refusing", model_files)
    start = time.monotonic()
    job = run(with_s3, *PROGRAM, *source(s3, "model", "refusing"), *change)
    assert not job.succeeded
    assert time.monotonic() - start < SOON
    (said,) = [line for line in job.log.splitlines() if line.startswith("ftc: error: ")]
    assert reason in said
    assert s3.key[1] not in job.log


def test_a_training_from_buckets_leaves_its_result_in_one(
    with_s3: Cluster, s3: S3Server, tiny_model: Path, tmp_path: Path
) -> None:
    s3.put("tiny-models", tiny_model)
    s3.put("tiny-data", write_dataset(tmp_path / "dataset"))
    s3.put("results", tmp_path / "nothing")
    sources = (*source(s3, "model", "tiny-models"), "dataset=identity-alauda", *source(s3, "dataset", "tiny-data"))
    sink = ("publish=s3", "publish.bucket=results", f"publish.endpoint={s3.url}", "publish.credentials.secret=s3")
    manifest = compile_manifest(*SMALL, *sources, *sink, "publish.prefix=team a", "train.save_steps=1")
    job = VolcanoJob(manifest, with_s3).start()
    seen: set[str] = set()
    while job.runs():
        seen |= arguments_with(s3.key[1])
        time.sleep(0.2)
    job.wait(400)
    assert job.succeeded, job.log
    merged = with_s3.claim("workspace") / job.name / "merged"
    found = s3.get("results", tmp_path / "results") / "team a" / job.name
    assert (found / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()
    names = {str(file.relative_to(merged)) for file in merged.rglob("*") if file.is_file()}
    assert {str(file.relative_to(found)) for file in found.rglob("*") if file.is_file()} == {
        *(*names, "_SUCCESS", "README.md")
    }
    assert "'loss'" in job.log
    assert s3.key[1] not in job.log
    assert seen == set()
    assert files_with(s3.key[1], with_s3.claim("workspace")) == set()


def test_an_image_without_the_client_says_so_in_its_first_second(
    cluster: Cluster, s3: S3Server, tiny_model: Path
) -> None:
    place = ("source@model.source=path", "model.source.path=/workspace/model")
    shutil.copytree(tiny_model, cluster.claim("workspace") / "model")
    write_dataset(cluster.claim("workspace") / "data")
    data = ("dataset=identity-alauda", "source@dataset.source=path", "dataset.source.path=/workspace/data")
    sink = ("publish=s3", "publish.bucket=results", f"publish.endpoint={s3.url}", "publish.credentials.secret=s3")
    keys = {"AWS_ACCESS_KEY_ID": s3.key[0], "AWS_SECRET_ACCESS_KEY": s3.key[1]}
    job = run(replace(cluster, secrets={"s3": keys}), *SMALL, *place, *data, *sink)
    assert not job.succeeded
    assert "ftc: error: Python's minio is missing in this image" in job.log
    assert "train: started" not in job.log
