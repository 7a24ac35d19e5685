"""Emitted TrainJobs train like Volcano Jobs, with or without the variables that Trainer injects."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from e2e.compiling import compile_manifests
from e2e.pod_scripts import TRAINJOB, pod_scripts
from e2e.small import ALONE
from e2e.test_training import logged, publish_to
from e2e.trainjob import TrainJob
from e2e.waiting import SOON, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer
    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

LONG = ("train.max_steps=40", "train.save_steps=10", "train.save_only_model=true", *ALONE)


def submit(cluster: Cluster, *overrides: str, injects: bool) -> TrainJob:
    job = TrainJob(compile_manifests("-t", "trainjob", *overrides), cluster, injects=injects)
    job.start()
    return job


@pytest.mark.parametrize(
    "launcher", ["torchrun", *(pytest.param(one, marks=pytest.mark.slow) for one in ("llamafactory-cli", "accelerate"))]
)
def test_two_nodes_train_and_resume_together_after_one_is_killed(
    launcher: str, sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    two = ("nodes=2", f"launcher={launcher}", "master_port=29551", "restarts=1", *LONG)
    job = submit(cluster, *sources, *publish_to(git_server, f"org/trainjob-{launcher}"), *two, injects=True)
    wait_until(lambda: any(cluster.claim("workspace").glob(f"{job.name}*/output/checkpoint-*/trainer_state.json")))
    job.pods[1].signal(signal.SIGKILL)
    assert job.wait(900).succeeded, job.log
    assert (job.counted, [len(pods) for pods in job.attempts]) == (1, [2, 2])
    for rank, pod in enumerate(job.pods):
        assert f"Process rank: {rank}, world size: 2" in pod.log("node")
        assert f"ftc: node {rank} of 2, rank 0 at {job.name}-node-0-0.{job.name}:29551" in pod.log("node")
    (run,) = cluster.claim("workspace").glob(f"{job.name}*")
    assert max(row["current_steps"] for row in logged(run)) == 40
    assert len(git_server.branches(f"org/trainjob-{launcher}")) == 1


@pytest.mark.parametrize("injects", [True, False])
def test_a_command_knows_its_place_and_sees_no_defaults_of_torchrun(cluster: Cluster, *, injects: bool) -> None:
    show = (
        "import json,os,socket;n=os.environ;socket.gethostbyname(n['MASTER_ADDR']);print('SEEN '+json.dumps(dict(n)))"
    )
    command = ("launcher=command", f"launcher.command=[python,-c,{json.dumps(show)}]", "nodes=2", "hardware=cpu")
    job = submit(cluster, *command, "name=own", "naming=fixed", injects=injects).wait(SOON)
    assert job.succeeded, job.log
    seen = [json.loads(pod.log().partition("SEEN ")[2]) for pod in job.pods]
    assert [each["NODE_RANK"] for each in seen] == ["0", "1"]
    assert {each["MASTER_ADDR"] for each in seen} == {"own-node-0-0.own"}
    assert {each["RUN_DIR"] for each in seen} == {f"/workspace/own-{job.uid}"}
    assert [name for each in seen for name in each if name.startswith("PET_")] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "JOB_COMPLETION_INDEX is '', not the index of a pod: the Job needs completionMode Indexed"),
        ({"JOB_COMPLETION_INDEX": "x[$(id)]"}, "JOB_COMPLETION_INDEX is 'x[$(id)]', not the index of a pod"),
        ({"JOB_COMPLETION_INDEX": "2"}, "this pod has the index 2, but the runtime was compiled for 2"),
    ],
)
def test_an_invalid_index_is_reported_in_one_line(tmp_path: Path, given: dict[str, str], message: str) -> None:
    scripts = pod_scripts(tmp_path / "ftc", TRAINJOB)
    scripts.write("show.sh", 'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\n')
    done = scripts.run("show.sh", NNODES="2", MASTER_ADDR="a-node-0-0.a", **given)
    assert (done.status, len(done.log.splitlines())) == (1, 1)
    assert done.says(message)


def test_a_single_node_needs_no_name(tmp_path: Path) -> None:
    scripts = pod_scripts(tmp_path / "ftc", TRAINJOB)
    shown = 'echo "$NODE_RANK $MASTER_ADDR ${PET_NNODES-unset}"\n'
    scripts.write("show.sh", f'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\n{shown}')
    done = scripts.run("show.sh", NNODES="1", PET_NODE_RANK="0", PET_NNODES="1", PET_MASTER_ADDR="a-node-0-0.a")
    assert (done.status, done.log) == (0, "0 127.0.0.1 unset\n")


def test_a_fixed_name_without_the_uid_of_the_jobset_is_refused(tmp_path: Path) -> None:
    """JobSet 0.8 does not set the label: two jobs of the same name would be one run."""
    scripts = pod_scripts(tmp_path / "ftc", TRAINJOB)
    scripts.write("show.sh", 'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\n')
    done = scripts.run("show.sh", NNODES="1", JOB_COMPLETION_INDEX="0", JOB_UID="")
    assert done.status == 1
    assert done.says("a fixed name needs JobSet 0.9 or later")
    assert scripts.run("show.sh", NNODES="1", JOB_COMPLETION_INDEX="0", JOB_UID="1").status == 0
