"""Emitted JobSets train like Volcano Jobs, and all pods restart after one is lost."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from e2e.compiling import compile_manifests
from e2e.jobset import JobSet
from e2e.pod_scripts import JOBSET, pod_scripts
from e2e.small import ALONE
from e2e.test_training import logged, losses, publish_to
from e2e.waiting import SOON, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer
    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

LONG = ("train.max_steps=40", "train.save_steps=10", "train.save_only_model=true", *ALONE)
# PID 1 ignores signals that it does not trap.
WAITING = "trap 'exit 143' TERM; echo ready; while sleep 0.2; do :; done"
SLEEP = ("launcher=command", f"launcher.command=[bash,-c,{json.dumps(WAITING)}]", "hardware=cpu")


def submit(cluster: Cluster, *overrides: str) -> JobSet:
    (manifest,) = compile_manifests("-t", "jobset", *overrides)
    return JobSet(manifest, cluster).start()


def run_directory(cluster: Cluster, job: JobSet) -> Path:
    """The only run of the JobSet's name in the shared workspace."""
    (found,) = (path for path in cluster.claim("workspace").iterdir() if path.name.startswith(job.name))
    return found


@pytest.mark.parametrize(
    "launcher", ["torchrun", *(pytest.param(one, marks=pytest.mark.slow) for one in ("llamafactory-cli", "accelerate"))]
)
def test_two_nodes_find_each_other_and_resume_together_after_one_is_killed(
    launcher: str, sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    two = ("nodes=2", f"launcher={launcher}", "master_port=29541", "restarts=1", *LONG)
    job = submit(cluster, *sources, *publish_to(git_server, f"org/jobset-{launcher}"), *two)
    wait_until(lambda: any(cluster.claim("workspace").glob(f"{job.name}*/output/checkpoint-*/trainer_state.json")))
    job.pods[1].signal(signal.SIGKILL)
    assert job.wait(900).succeeded, job.log
    assert (job.counted, [len(pods) for pods in job.attempts]) == (1, [2, 2])
    for rank, pod in enumerate(job.pods):
        assert f"Process rank: {rank}, world size: 2" in pod.log("train")
        assert f"ftc: node {rank} of 2, rank 0 at {job.name}-node-0-0.{job.name}:29541" in pod.log("train")
        assert "Continuing training from global step" in pod.log() or "Resuming training from" in pod.log()
    assert max(row["current_steps"] for row in logged(run_directory(cluster, job))) == 40
    assert losses(run_directory(cluster, job))
    assert len(git_server.branches(f"org/jobset-{launcher}")) == 1


def test_a_pod_that_the_cluster_takes_away_costs_no_restart(cluster: Cluster) -> None:
    job = submit(cluster, *SLEEP, "nodes=2", "storage=shared")
    wait_until(lambda: all("ready" in pod.log() for pod in job.pods) and len(job.pods) == 2)
    job.taken.add(job.pods[0].identity.name)
    job.pods[0].signal(signal.SIGTERM)
    wait_until(lambda: len(job.attempts) == 2 and all("ready" in pod.log() for pod in job.pods))
    assert job.counted == 0
    job.pods[1].signal(signal.SIGKILL)
    assert not job.wait(SOON).succeeded
    assert (job.counted, len(job.attempts)) == (1, 2)


def test_a_command_knows_its_place_among_the_indexes(cluster: Cluster) -> None:
    show = (
        "import json,os,socket;n=os.environ;socket.gethostbyname(n['MASTER_ADDR']);print('SEEN '+json.dumps(dict(n)))"
    )
    command = ("launcher=command", f"launcher.command=[python,-c,{json.dumps(show)}]", "nodes=2", "hardware=cpu")
    job = submit(cluster, *command, "name=own", "naming=fixed").wait(SOON)
    assert job.succeeded, job.log
    seen = [json.loads(pod.log().partition("SEEN ")[2]) for pod in job.pods]
    assert [each["NODE_RANK"] for each in seen] == ["0", "1"]
    assert {each["MASTER_ADDR"] for each in seen} == {"own-node-0-0.own"}
    assert {each["RUN_DIR"] for each in seen} == {f"/workspace/own-{job.uid}"}


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("", "JOB_COMPLETION_INDEX is '', not the index of a pod: the Job needs completionMode Indexed"),
        ("x[$(id)]", "JOB_COMPLETION_INDEX is 'x[$(id)]', not the index of a pod"),
        ("2", "this pod has the index 2, but the JobSet was compiled for 2"),
    ],
)
def test_an_invalid_index_is_reported_in_one_line(tmp_path: Path, index: str, message: str) -> None:
    scripts = pod_scripts(tmp_path / "ftc", JOBSET)
    scripts.write("show.sh", 'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\n')
    done = scripts.run("show.sh", NNODES="2", JOB_COMPLETION_INDEX=index, MASTER_ADDR="a-node-0-0.a")
    assert (done.status, len(done.log.splitlines())) == (1, 1)
    assert done.says(message)


def test_a_fixed_name_without_the_uid_of_the_jobset_is_refused(tmp_path: Path) -> None:
    """JobSet 0.8 does not set the label: two jobs of the same name would be one run."""
    scripts = pod_scripts(tmp_path / "ftc", JOBSET)
    scripts.write("show.sh", 'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\n')
    done = scripts.run("show.sh", NNODES="1", JOB_COMPLETION_INDEX="0", JOB_UID="")
    assert done.status == 1
    assert done.says("a fixed name needs JobSet 0.9 or later")
    assert scripts.run("show.sh", NNODES="1", JOB_COMPLETION_INDEX="0", JOB_UID="1").status == 0
