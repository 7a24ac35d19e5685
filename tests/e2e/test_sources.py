"""The program of an emitted job can read every kind of source."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e import hub_server
from e2e.compiling import compile_manifest
from e2e.git_server import TOKEN, GitServer, virtual_environment
from e2e.hub_server import serve_hub
from e2e.hub_uploads import COMMIT
from e2e.processes import files_with
from e2e.tiny_dataset import write_dataset
from e2e.volcano import VolcanoJob
from e2e.waiting import SOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

# The program of the job, which prints what it finds.
SHOW = '[bash,-c,\'cat "$MODEL_DIR/config.json"; sha256sum <"$MODEL_DIR/model.safetensors"\']'
PROGRAM = ("hardware=cpu", "launcher=command", f"launcher.command={SHOW}", "model=qwen3-0.6b", "image=any")
TWO_STEPS = (
    *("hardware=cpu", "train.cutoff_len=128", "train.preprocessing_num_workers=1", "train.max_steps=2"),
    *("train.per_device_train_batch_size=4", "train.gradient_accumulation_steps=1", "train.logging_steps=1"),
)


@pytest.fixture
def hub(model_files: Path, tmp_path: Path) -> Iterator[str]:
    """A hub that has the model as Qwen/Qwen3-0.6B and requires a token."""
    repository = tmp_path / "hub" / "Qwen" / "Qwen3-0.6B"
    repository.parent.mkdir(parents=True)
    model_files.rename(repository)
    with serve_hub(repository.parents[1]) as address:
        yield address


def run(cluster: Cluster, *overrides: str) -> VolcanoJob:
    """Compile and run a job whose program prints its model."""
    return VolcanoJob(compile_manifest(*PROGRAM, *overrides), cluster).start().wait(120)


def with_token(cluster: Cluster, token: str = hub_server.TOKEN) -> Cluster:
    """The cluster with a Secret for the hub."""
    return replace(cluster, secrets={**cluster.secrets, "hub": {"token": token}})


def test_a_model_of_the_hugging_face_hub_comes_from_the_mirror_with_the_token(cluster: Cluster, hub: str) -> None:
    token = ("model.source.token.secret=hub", "model.source.token.key=token")
    job = run(with_token(cluster), f"cluster.hub_endpoint={hub}", *token)
    assert job.succeeded, job.log
    assert '{"model_type": "none"}' in job.log
    (marker,) = (cluster.claim("workspace") / "cache").glob("*/.ftc-revision")
    assert marker.read_text().splitlines()[0] == COMMIT
    assert (marker.parent / "files" / "config.json").exists()
    assert not (marker.parent / "files" / ".cache").exists()
    assert hub_server.TOKEN not in job.log


@pytest.mark.parametrize("wrong", ["token", "repository", "revision"])
def test_a_hub_that_refuses_is_one_clear_line_in_seconds(cluster: Cluster, hub: str, wrong: str) -> None:
    token = ("model.source.token.secret=hub", "model.source.token.key=token")
    change = {
        "token": (),
        "repository": ("model.id=Qwen/None", "model.architecture=null"),
        "revision": ("model.source.revision=v9",),
    }[wrong]
    start = time.monotonic()
    known = with_token(cluster, "wrong" if wrong == "token" else hub_server.TOKEN)
    job = run(known, f"cluster.hub_endpoint={hub}", *token, *change)
    assert not job.succeeded
    assert time.monotonic() - start < SOON
    (said,) = [line for line in job.log.splitlines() if line.startswith("ftc: error: ")]
    assert said.startswith("ftc: error: cannot download Qwen/")


def test_a_model_of_modelscope_comes_from_its_endpoint_with_the_token(cluster: Cluster, hub: str) -> None:
    client = virtual_environment(Path(__file__).with_name("requirements-modelscope.txt"), "modelscope")
    variables = {**cluster.image.environment, "PATH": f"{client}/bin:/usr/bin:/bin"}
    image = replace(cluster.image, directories=(*cluster.image.directories, client), environment=variables)
    source = ("source@model.source=modelscope", f"model.source.endpoint={hub}")
    token = ("model.source.token.secret=hub", "model.source.token.key=token")
    job = run(replace(with_token(cluster), image=image), *source, *token)
    assert job.succeeded, job.log
    assert '{"model_type": "none"}' in job.log


def test_servers_behind_an_authority_of_one_s_own_are_trusted_by_its_bundle(
    cluster: Cluster, git_server: GitServer, model_files: Path
) -> None:
    git_server.create("Qwen/Qwen3-0.6B")
    git_server.push("Qwen/Qwen3-0.6B", model_files)
    git = ("source@model.source=git", f"model.source.url={git_server.url('Qwen/Qwen3-0.6B', tls=True)}")
    repository = model_files.parent / "hub" / "Qwen" / "Qwen3-0.6B"
    repository.parent.mkdir(parents=True)
    model_files.rename(repository)
    trusting = replace(with_token(cluster), config_maps={"trusted": {"ca.crt": git_server.ca_bundle.read_text()}})
    bundle = "cluster.ca_bundle.config_map=trusted"
    with serve_hub(repository.parents[1], git_server.ca_bundle) as address:
        hub = (f"cluster.hub_endpoint={address}", "model.source.token.secret=hub", "model.source.token.key=token")
        for source in (("cluster.git_credentials.secret=git-credentials", *git), hub):
            refused = run(trusting, *source)
            assert not refused.succeeded
            assert "certificate" in refused.log.lower()
            accepted = run(trusting, *source, bundle)
            assert accepted.succeeded, accepted.log


def test_a_changed_revision_is_fetched_next_to_the_old_one(
    cluster: Cluster, git_server: GitServer, model_files: Path
) -> None:
    url = git_server.create("org/revisions")
    login = ("cluster.git_credentials.secret=git-credentials", "source@model.source=git", f"model.source.url={url}")
    for text in ("first", "second"):
        (model_files / "config.json").write_text(f"{text} version\n", encoding="utf-8")
        commit = git_server.push("org/revisions", model_files)
        job = run(cluster, *login, f"model.source.revision={commit}")
        assert job.succeeded, job.log
        assert f"{text} version" in job.log
    assert len(list((cluster.claim("workspace") / "cache").iterdir())) == 2


def test_a_model_on_a_volume_is_read_in_place(cluster: Cluster, model_files: Path) -> None:
    (cluster.claim("workspace") / "models").mkdir(parents=True)
    model_files.rename(cluster.claim("workspace") / "models" / "mine")
    source = ("source@model.source=path", "model.source.path=/workspace/models/mine")
    assert run(cluster, *source).succeeded
    missing = run(cluster, *source[:1], "model.source.path=/workspace/models/other")
    assert not missing.succeeded
    assert "ftc: error: /workspace/models/other is not a directory: is the path right" in missing.log


def test_an_unreachable_server_ends_the_job_with_one_clear_line(cluster: Cluster) -> None:
    url = "model.source.url=http://127.0.0.1:9/org/model.git"
    job = run(cluster, "cluster.git_credentials.secret=git-credentials", "source@model.source=git", url)
    assert not job.succeeded
    assert "ftc: error: cannot fetch http://127.0.0.1:9/org/model.git at HEAD" in job.log
    assert TOKEN not in job.log


def test_a_trainer_asks_the_hub_itself_and_the_result_is_committed_to_another_repository(
    cluster: Cluster, tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "hub" / "Qwen" / "Qwen3-0.6B")
    write_dataset(tmp_path / "hub" / "team" / "questions" / "data")
    (tmp_path / "hub" / "team" / "questions" / "data" / "dataset_info.json").unlink()
    direct = ("source@model.source=huggingface-direct", "model.source.token.secret=hub")
    info = "dataset.info={questions: {file_name: data}}"
    dataset = ("dataset=custom", "dataset.id=team/questions", "dataset.names=[questions]", info)
    data = (*dataset, "source@dataset.source=huggingface-direct")
    sink = ("publish=huggingface", "publish.repository=team/tuned", "publish.token.secret=writer")
    with serve_hub(tmp_path / "hub") as address:
        manifest = compile_manifest(f"cluster.hub_endpoint={address}", *direct, *data, *sink, *TWO_STEPS)
        secrets = {"hub": {"token": hub_server.TOKEN}, "writer": {"token": f"{hub_server.TOKEN}\n"}}
        job = VolcanoJob(manifest, replace(cluster, secrets=secrets)).start().wait(400)
    assert job.succeeded, job.log
    assert "'loss'" in job.log
    assert hub_server.TOKEN not in job.log
    directory = cluster.claim("workspace") / job.name
    assert sorted(file.name for file in directory.glob("*.done")) == ["merge.done", "train.done"]
    committed = tmp_path / "hub" / "team" / "tuned"
    names = {str(file.relative_to(committed)) for file in committed.rglob("*") if file.is_file()}
    merged = directory / "merged"
    assert names == {"README.md", *(str(file.relative_to(merged)) for file in merged.rglob("*") if file.is_file())}
    assert (committed / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()
    assert (tmp_path / "hub/team/tuned.commits").read_text() == "Qwen/Qwen3-0.6B: lora sft on questions\n"
    assert [file.name for file in (cluster.claim("workspace") / "cache").iterdir()] == ["hub"]
    assert files_with(hub_server.TOKEN, cluster.claim("workspace")) == set()
