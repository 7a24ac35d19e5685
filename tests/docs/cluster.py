"""The cluster of a page: a small server with a namespace, two nodes, and a pod for each job that is created."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from unit.cluster.api_server import serving
from unit.cluster.situations import Object, claim, node, object_of
from unit.cluster.writable import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

STEPS = "{'loss': 1.2107, 'epoch': 0.01}\n{'loss': 1.0934, 'epoch': 0.02}\n"


def cluster_of(needs: frozenset[str], folder: Path) -> AbstractContextManager[dict[str, str]]:
    """The variables of a session: with a cluster if the page needs one."""
    return _serving(folder) if "cluster" in needs else nullcontext({})


@contextmanager
def _serving(folder: Path) -> Iterator[dict[str, str]]:
    cluster = Cluster(object_of("Namespace", "team"), claim(), node("a"), node("b"))

    def run(job: Object) -> None:
        """Volcano's controllers and a kubelet, as far as a page shows them."""
        name = job["metadata"]["name"]
        job["status"] = {"state": {"phase": "Running"}, "running": 1, "minAvailable": 1}
        started = {"name": "train", "ready": True, "state": {"running": {"startedAt": "2026-05-04T11:50:00Z"}}}
        owner = {"kind": job["kind"], "name": name, "uid": job["metadata"]["uid"], "controller": True}
        metadata = {"labels": {"volcano.sh/job-name": name}, "ownerReferences": [owner]}
        spec = {**job["spec"]["tasks"][0]["template"]["spec"], "nodeName": "a"}
        ready = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "conditions": ready, "containerStatuses": [started]}
        cluster.created.append(object_of("Pod", f"{name}-worker-0", metadata=metadata, spec=spec, status=status))
        cluster.snapshot.logs[f"{name}-worker-0.train"] = STEPS

    cluster.on_create = run
    with serving(cluster, folder) as file:
        yield {"KUBECONFIG": str(file), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
