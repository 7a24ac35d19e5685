"""Emitted jobs train, merge and push a real model with the real trainer."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.compiling import compile_manifest, ftc_compile
from e2e.git_server import TOKEN, USER, GitServer
from e2e.pod import Cluster, Json
from e2e.processes import arguments_with, files_with
from e2e.small import ALONE
from e2e.volcano import VolcanoJob
from e2e.waiting import SOON, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# In the place of a training, if a test is about what comes before it: it shows the model and leaves a file.
SHOW = 'launcher.command=[bash,-c,\'cat "$MODEL_DIR/config.json"; touch "$RUN_DIR/made"\']'
PROGRAM = ("hardware=cpu", "launcher=command", SHOW, "model=qwen3-0.6b", "image=any")


def run(cluster: Cluster, manifest: Json) -> VolcanoJob:
    """Run a job to its end."""
    return VolcanoJob(manifest, cluster).start().wait(900)


def run_directory(cluster: Cluster, job: VolcanoJob) -> Path:
    """The directory of a job's run in the shared workspace."""
    return cluster.claim("workspace") / job.name


def losses(directory: Path) -> list[float]:
    """The losses that the trainer has logged."""
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["loss"] for row in map(json.loads, lines) if "loss" in row]


def worlds(job: VolcanoJob) -> set[tuple[int, int]]:
    """The rank and the world size of each process, as the trainer logs them."""
    said = re.findall(r"Process rank: (\d+), world size: (\d+)", job.log)
    return {(int(rank), int(size)) for rank, size in said}


def publish_to(git_server: GitServer, name: str) -> tuple[str, ...]:
    """The overrides that push the result to a new repository."""
    return ("publish=git", f"publish.url={git_server.create(name)}")


def test_one_node_trains_merges_and_pushes_a_model_that_a_fresh_clone_can_read(
    sources: tuple[str, ...],
    cluster: Cluster,
    git_server: GitServer,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    job = run(cluster, compile_manifest(*sources, *publish_to(git_server, "org/one-node")))
    assert job.succeeded, job.log
    directory = run_directory(cluster, job)
    assert len(losses(directory)) == 4
    assert (directory / "output" / "adapter_model.safetensors").exists()
    (branch,) = git_server.branches("org/one-node")
    clone = git_server.clone("org/one-node", branch, tmp_path / "clone")
    merged = (clone / "model.safetensors").read_bytes()
    assert merged == (directory / "merged" / "model.safetensors").read_bytes()
    assert merged != (tiny_model / "model.safetensors").read_bytes()
    assert json.loads((clone / "config.json").read_text())["architectures"] == ["Qwen3ForCausalLM"]


def test_datasets_of_three_sources_train_and_evaluate_in_one_run(sources: tuple[str, ...], cluster: Cluster) -> None:
    """A git repository and a directory with their own dataset_info.json, and a file that the spec describes."""
    rows = [{"ask": f"more {n}", "say": f"answer {n}"} for n in range(8)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("more", "test"):
        directory = cluster.claim("workspace") / "datasets" / name
        directory.mkdir(parents=True)
        (directory / "rows.jsonl").write_text(text, encoding="utf-8")
    columns = {"prompt": "ask", "response": "say"}
    info = {"own_rows": {"file_name": "rows.jsonl", "columns": columns}}
    (directory / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    described = "{rows: {file_name: rows.jsonl, columns: {prompt: ask, response: say}}}"
    more, test = "dataset.more.custom", "dataset.evaluation.test"
    url = next(one for one in sources if one.startswith("dataset.source.url="))
    manifest = compile_manifest(
        *(one for one in sources if not one.startswith("dataset")),
        *("dataset=[identity-alauda,custom]", url, *ALONE),
        *(f"source@{more}.source=path", f"{more}.source.path=/workspace/datasets/more", f"{more}.info={described}"),
        *(f"+dataset@{test}=custom", f"source@{test}.source=path", f"{test}.source.path=/workspace/datasets/test"),
        *(f"{test}.names=[own_rows]", "train.eval_strategy=steps", "train.eval_steps=2"),
    )
    job = run(cluster, manifest)
    assert job.succeeded, job.log
    directory = run_directory(cluster, job)
    assert "Num examples = 72" in job.log  # 64 of the repository and 8 of the directory
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [row["current_steps"] for row in map(json.loads, lines) if "eval_loss" in row] == [2, 4]


def test_a_merged_model_that_would_answer_differently_is_not_published_unless_its_template_is_written(
    sources: tuple[str, ...], cluster: Cluster, git_server: GitServer, tmp_path: Path
) -> None:
    other = ("train.enable_thinking=false", "chat_template_check=fail")
    refused = run(cluster, compile_manifest(*sources, *publish_to(git_server, "org/refused"), *other))
    assert not refused.succeeded
    assert "ftc: error: chat template: differs from the training in 64 of 64 rows" in refused.log
    assert git_server.branches("org/refused") == {}
    verdict = json.loads((run_directory(cluster, refused) / "chat-template.json").read_text())
    assert (verdict["verdict"], verdict["different_rows"]) == ("different", 64)
    written = (*publish_to(git_server, "org/written"), *other, "chat_template_write=true")
    job = run(cluster, compile_manifest(*sources, *written))
    assert job.succeeded, job.log
    assert "ftc: chat template: equal to the training in 64 rows, after the result was corrected" in job.log
    (branch,) = git_server.branches("org/written")
    clone = git_server.clone("org/written", branch, tmp_path / "clone")
    assert "<think>" in (clone / "chat_template.jinja").read_text()
    _, front, _ = (clone / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert (card["pipeline_tag"], card["library_name"]) == ("text-generation", "transformers")
    assert branch.endswith(card["ftc_run"])
    verdict = json.loads((run_directory(cluster, job) / "chat-template.json").read_text())
    assert (verdict["verdict"], verdict["rows"], verdict["written"]) == ("equal", 64, True)


# The next test trains with accelerate too, on as many nodes.
ACCELERATE = pytest.param("accelerate", marks=pytest.mark.slow)


@pytest.mark.parametrize("launcher", ["llamafactory-cli", "torchrun", ACCELERATE])
def test_two_nodes_train_as_one_world_by_each_launcher(
    sources: tuple[str, ...], cluster: Cluster, launcher: str
) -> None:
    port = {"llamafactory-cli": 29511, "torchrun": 29512, "accelerate": 29513}[launcher]
    in_memory = int(launcher == "torchrun")
    overrides = (
        *("nodes=2", f"launcher={launcher}", f"master_port={port}", *ALONE),
        *(f"storage.model_in_memory_gib={in_memory}", f"scripts={'configmap' if in_memory else 'embedded'}"),
    )
    scripts = compile_manifest("-t", "scripts")
    cluster = dataclasses.replace(cluster, config_maps={scripts["metadata"]["name"]: scripts["data"]})
    job = run(cluster, compile_manifest(*sources, *overrides))
    assert job.succeeded, job.log
    assert [pod.log("train").count("ftc: copied ") for pod in job.pods] == [in_memory] * 2
    assert worlds(job) == {(0, 2), (1, 2)}
    directory = run_directory(cluster, job)
    assert len(losses(directory)) == 4
    assert sorted(file.name for file in directory.glob("*.done")) == ["train.done"]
    assert "Process rank: 1" in job.pods[1].log("train")
    assert "waiting for rank 0" in job.pods[1].log()


def test_two_nodes_shard_the_whole_model_with_fsdp2(sources: tuple[str, ...], cluster: Cluster) -> None:
    overrides = ("nodes=2", "devices=1", "launcher=accelerate", "engine=fsdp2", "method=full-sft", "master_port=29514")
    job = run(cluster, compile_manifest(*sources, *overrides))
    assert job.succeeded, job.log
    assert worlds(job) == {(0, 2), (1, 2)}
    assert (run_directory(cluster, job) / "output" / "model.safetensors").exists()


def test_a_command_of_the_user_runs_on_every_node_and_knows_its_place(cluster: Cluster) -> None:
    show = (
        "import json,os,socket;n=os.environ;socket.gethostbyname(n['MASTER_ADDR']);print('SEEN '+json.dumps(dict(n)))"
    )
    overrides = (
        "launcher=command",
        "model=none",
        "dataset=none",
        "method=none",
        "nodes=2",
        "devices=3",
        "hardware=cpu",
    )
    job = run(cluster, compile_manifest(*overrides, f"launcher.command=[python,-c,{json.dumps(show)}]", "image=any"))
    assert job.succeeded, job.log
    seen = [json.loads(pod.log().partition("SEEN ")[2]) for pod in job.pods]
    assert [each["NODE_RANK"] for each in seen] == ["0", "1"]
    for each in seen:
        assert (each["NNODES"], each["NPROC_PER_NODE"], each["MASTER_PORT"]) == ("2", "3", "29500")
        assert each["MASTER_ADDR"] == f"{job.name}-worker-0.{job.name}"
        assert each["RUN_DIR"] == f"/workspace/{job.name}"
    assert run_directory(cluster, job).is_dir()


def test_a_run_that_is_killed_in_training_resumes_from_its_checkpoint(
    sources: tuple[str, ...], cluster: Cluster
) -> None:
    overrides = ("restarts=1", "train.max_steps=40", "train.save_steps=10", *ALONE)
    job = VolcanoJob(compile_manifest(*sources, *overrides), cluster).start()
    wait_until(lambda: list(run_directory(cluster, job).glob("output/checkpoint-*/trainer_state.json")))
    job.pods[0].signal(signal.SIGKILL)
    assert job.wait(900).succeeded, job.log
    assert [pods[0].status for pods in job.attempts] == [137, 0]
    first, second = (pods[0].log() for pods in job.attempts)
    assert "found in the cache" in second
    assert "Resuming training from checkpoint" not in first
    assert "Continuing training from global step" in second or "Resuming training from" in second
    assert max(row["current_steps"] for row in logged(run_directory(cluster, job))) == 40


def logged(directory: Path) -> list[dict[str, int]]:
    """The lines of the trainer's log."""
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow  # test_train_steps.py and test_publish.py have its two halves
def test_after_a_failed_push_the_restart_pushes_one_branch_and_trains_no_more(
    sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    publish = publish_to(git_server, "org/fails-once")
    hook = git_server.bare("org/fails-once") / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\n[ -e failed ] && exit 0\ntouch failed\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    job = run(cluster, compile_manifest(*sources, *publish, "restarts=1"))
    assert job.succeeded, job.log
    assert [pods[0].status for pods in job.attempts] == [1, 0]
    assert "train: done before" in job.log
    assert "merge: done before" in job.log
    assert job.log.count("Process rank: 0") == 1
    assert len(git_server.branches("org/fails-once")) == 1


def test_a_training_that_is_killed_publishes_nothing_and_its_pod_fails_at_once(
    sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    publish = publish_to(git_server, "org/killed")
    job = VolcanoJob(
        compile_manifest(*sources, *publish, *ALONE, "restarts=0", "train.max_steps=2000"), cluster
    ).start()
    wait_until(lambda: list(run_directory(cluster, job).glob("output/trainer_log.jsonl")))
    job.pods[0].kill("train")
    assert not job.wait(SOON).succeeded
    assert "ftc: error: train did not finish: nothing is published" in job.pods[0].log("publish")
    assert git_server.branches("org/killed") == {}


@pytest.mark.slow  # two trainings; a cache that is filled and a branch for each run are tested without
def test_a_second_submit_trains_again_downloads_nothing_and_pushes_another_branch(
    sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    manifest = compile_manifest(*sources, *publish_to(git_server, "org/twice"), *ALONE)
    first, second = run(cluster, manifest), run(cluster, manifest)
    assert first.succeeded, first.log
    assert second.succeeded, second.log
    assert second.log.count("found in the cache") == 2
    assert "ftc: downloading" not in second.log
    assert len(losses(run_directory(cluster, second))) == 4
    assert len(git_server.branches("org/twice")) == 2


def test_a_recreated_job_with_a_fixed_name_is_another_run(model_source: tuple[str, ...], cluster: Cluster) -> None:
    manifest = compile_manifest(*model_source, *PROGRAM, "naming=fixed", "name=nightly")
    first, second = run(cluster, manifest), run(cluster, manifest)
    assert first.succeeded, first.log
    assert second.succeeded, second.log
    runs = [path for path in cluster.claim("workspace").iterdir() if path.name.startswith("nightly-")]
    assert len(runs) == 2
    assert all((path / "made").exists() for path in runs)


def test_two_jobs_that_fill_one_cache_at_once_both_have_the_model(
    model_source: tuple[str, ...], cluster: Cluster
) -> None:
    manifest = compile_manifest(*model_source, *PROGRAM)
    jobs = [VolcanoJob(manifest, cluster).start() for _ in range(2)]
    for job in jobs:
        assert job.wait(900).succeeded, job.log
        assert "Qwen3ForCausalLM" in job.log
    cache = cluster.claim("workspace") / "cache"
    assert [entry.name.rpartition("-")[0] for entry in cache.iterdir()] == ["tiny-qwen3"]


def test_the_credential_appears_nowhere(sources: tuple[str, ...], cluster: Cluster, git_server: GitServer) -> None:
    manifest = compile_manifest(*sources, *publish_to(git_server, "org/nowhere"), *ALONE)
    assert TOKEN not in json.dumps(manifest)
    job = VolcanoJob(manifest, cluster).start()
    seen: set[str] = set()
    while job.runs():
        seen |= arguments_with(TOKEN)
    assert job.wait(1).succeeded, job.log
    assert seen == set()
    assert TOKEN not in job.log
    assert files_with(TOKEN, cluster.root) == set()


def test_a_password_that_the_server_refuses_ends_the_job_in_seconds(sources: tuple[str, ...], cluster: Cluster) -> None:
    wrong = Cluster(cluster.root, cluster.image, {"git-credentials": {"username": "someone", "password": "wrong"}})
    job = VolcanoJob(compile_manifest(*sources), wrong).start().wait(SOON)
    assert not job.succeeded
    assert [pod.status for pod in job.pods] == [1]
    assert "ftc: the server rejects the user name or the token of the Secret" in job.log


def test_the_script_trains_on_the_machine_at_hand(
    sources: tuple[str, ...], trainer: Path, tmp_path: Path, git_server: GitServer
) -> None:
    script = ftc_compile("-t", "script", *sources, *publish_to(git_server, "org/by-script"))
    environment = {"PATH": f"{trainer}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "GIT_USER": USER, "GIT_TOKEN": TOKEN}
    done = subprocess.run(
        ["bash"], input=script, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (directory,) = (tmp_path / "ftc-runs").glob("*/train.done")
    assert len(losses(directory.parent)) == 4
    assert (directory.parent / "merged" / "model.safetensors").exists()
    assert len(git_server.branches("org/by-script")) == 1


@pytest.mark.slow  # test_signals.py stops the same launcher, and resumes
def test_a_pod_that_gets_a_signal_ends_with_all_its_processes_within_the_grace_period(
    sources: tuple[str, ...], cluster: Cluster
) -> None:
    overrides = ("devices=2", "launcher=torchrun", "master_port=29515", "train.max_steps=2000")
    job = VolcanoJob(compile_manifest(*sources, *overrides, *ALONE), cluster).start()
    wait_until(lambda: list(run_directory(cluster, job).glob("output/trainer_log.jsonl")))
    job.pods[0].terminate()
    assert job.pods[0].status == 143  # not 137: the grace period was long enough
    assert worlds(job) == {(0, 2), (1, 2)}
    assert "ftc: error: train: stopped by a signal; a restart of the job continues from here" in job.log
    assert not (run_directory(cluster, job) / "train.done").exists()


@pytest.mark.slow
def test_a_node_that_comes_later_joins_an_elastic_training(sources: tuple[str, ...], cluster: Cluster) -> None:
    # As in test_batch_job.py: torch cannot load an optimizer that several processes saved on a CPU.
    resumable = ("train.max_steps=14", "train.save_steps=3", "train.save_only_model=true")
    slow = ("train.gradient_accumulation_steps=4", *resumable)
    elastic = ("nodes=2", "min_nodes=1", "restarts=3", "launcher=torchrun", "master_port=29516")
    manifest = compile_manifest(*sources, *elastic, *slow, *ALONE)
    assert manifest["spec"]["minAvailable"] == 1
    job = VolcanoJob(manifest, cluster).start(first=1)
    wait_until(lambda: job.pods and "world size: 1" in job.log)
    wait_until(lambda: list(run_directory(cluster, job).glob("output/checkpoint-*/trainer_state.json")))
    job.let_in()
    job.wait(900)
    assert job.succeeded, job.log
    assert len(job.attempts) == 1
    assert worlds(job) == {(0, 1), (0, 2), (1, 2)}
    assert "Resuming training from" in job.log
