"""Run a TrainJob on this machine like Trainer's controller: the JobSet of its runtime, with variables for torchrun."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from e2e.jobset import JobSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.pod import Cluster, Json

STEP = "trainer.kubeflow.org/trainjob-ancestor-step"


class TrainJob(JobSet):
    """A TrainJob and its TrainingRuntime in a cluster.

    Trainer injects the variables of torchrun (pkg/runtime/framework/plugins/torch); some releases do so only if the
    TrainJob has `spec.trainer`, which is `injects`.
    """

    def __init__(self, manifests: list[Json], cluster: Cluster, *, injects: bool) -> None:
        """Submit the runtime and the job, which must refer to it."""
        runtime, job = manifests
        kinds = [(one["apiVersion"], one["kind"]) for one in manifests]
        assert kinds == [("trainer.kubeflow.org/v1alpha1", kind) for kind in ("TrainingRuntime", "TrainJob")]
        reference = {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": runtime["metadata"]["name"]}
        assert job["spec"]["runtimeRef"] == reference
        spec = copy.deepcopy(runtime["spec"]["template"]["spec"])
        (replicated,) = spec["replicatedJobs"]
        self._policy: Json = runtime["spec"]["mlPolicy"]
        self._injects = injects and replicated["template"]["metadata"]["labels"].get(STEP) == "trainer"
        nodes = self._policy["numNodes"]
        replicated["template"]["spec"] |= {"completions": nodes, "parallelism": nodes}
        super().__init__({"metadata": job["metadata"], "spec": spec}, cluster)

    def injected(self, index: int) -> Mapping[str, Mapping[str, str]]:
        """The variables of torchrun; `auto` stays if no resources are known to Trainer."""
        if not self._injects or "torch" not in self._policy:
            return {}
        variables = {
            "PET_NNODES": str(self._policy["numNodes"]),
            "PET_NPROC_PER_NODE": "auto",
            "PET_NODE_RANK": str(index),
            "PET_MASTER_ADDR": f"{self.name}-node-0-0.{self.name}",
            "PET_MASTER_PORT": "29400",
        }
        return {"node": variables}
