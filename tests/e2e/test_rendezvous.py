"""A pod that cannot determine its rank fails at once with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import JOB, SINGLE, VOLCANO, pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

SHOW = 'set -euo pipefail\nsource "$(dirname "$0")/rendezvous.sh"\nenv | grep -E "^(NODE_RANK|MASTER_ADDR)=" | sort\n'
TWO = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job"}


def test_a_volcano_pod_knows_its_rank_and_the_address_of_rank_0(tmp_path: Path) -> None:
    scripts = pod_scripts(tmp_path / "ftc", VOLCANO)
    scripts.write("show.sh", SHOW)
    done = scripts.run("show.sh", VC_TASK_INDEX="1", **TWO)
    assert (done.status, done.log) == (0, "MASTER_ADDR=job-worker-0.job\nNODE_RANK=1\n")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"NNODES": "3"}, "VC_WORKER_HOSTS names 2 pods, but the job was compiled for 3"),
        ({"VC_WORKER_HOSTS": ""}, "VC_WORKER_HOSTS names 0 pods"),
        ({"VC_TASK_INDEX": ""}, "VC_TASK_INDEX is '', not the index of a pod"),
        ({"VC_TASK_INDEX": "x[$(id)]"}, "VC_TASK_INDEX is 'x[$(id)]', not the index of a pod"),
    ],
)
def test_a_node_count_that_disagrees_with_the_host_list_is_one_clear_line(
    tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    scripts = pod_scripts(tmp_path / "ftc", VOLCANO)
    scripts.write("show.sh", SHOW)
    done = scripts.run("show.sh", **({"VC_TASK_INDEX": "1"} | TWO | changed))
    assert done.status == 1
    assert done.says(message)
    assert len(done.log.splitlines()) == 1


def test_a_pod_of_an_indexed_job_knows_its_rank(tmp_path: Path) -> None:
    scripts = pod_scripts(tmp_path / "ftc", JOB)
    scripts.write("show.sh", SHOW)
    done = scripts.run("show.sh", NNODES="2", JOB_COMPLETION_INDEX="1", MASTER_ADDR="job-0.job")
    assert (done.status, done.log) == (0, "MASTER_ADDR=job-0.job\nNODE_RANK=1\n")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("", "JOB_COMPLETION_INDEX is '', not the index of a pod: the Job needs completionMode Indexed"),
        ("x[$(id)]", "JOB_COMPLETION_INDEX is 'x[$(id)]', not the index of a pod"),
        ("2", "this pod has the index 2, but the Job was compiled for 2"),
    ],
)
def test_an_invalid_index_is_reported_in_one_line(tmp_path: Path, index: str, message: str) -> None:
    scripts = pod_scripts(tmp_path / "ftc", JOB)
    scripts.write("show.sh", SHOW)
    done = scripts.run("show.sh", NNODES="2", JOB_COMPLETION_INDEX=index)
    assert done.status == 1
    assert done.says(message)
    assert len(done.log.splitlines()) == 1


@pytest.mark.parametrize("nodes", ["1", "2"])
def test_a_single_pod_needs_no_rendezvous(tmp_path: Path, nodes: str) -> None:
    scripts = pod_scripts(tmp_path / "ftc", SINGLE)
    scripts.write("show.sh", SHOW)
    done = scripts.run("show.sh", NNODES=nodes)
    assert done.status == (0 if nodes == "1" else 1)
    assert ("MASTER_ADDR=127.0.0.1\nNODE_RANK=0\n" in done.log) == (nodes == "1")
    assert done.says("NNODES is 2, but this target runs one node") == (nodes == "2")
