"""Run a JobSet on this machine like its controller: one Indexed Job, labels, host names, restarts of all pods."""

from __future__ import annotations

import copy
import secrets
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING

from e2e.pod import Cluster, Identity, Json, Pod, wait_for_any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DISRUPTION = {"type": "DisruptionTarget", "status": "True"}


class JobSet:
    """A JobSet in a cluster: `start` it and `wait` for its end; its pods of every attempt stay readable.

    The pods that `taken` names end as if the cluster had removed them.
    """

    def __init__(self, manifest: Json, cluster: Cluster) -> None:
        """Submit a manifest with one replicated Job."""
        metadata = manifest["metadata"]
        self.name: str = metadata.get("name") or metadata["generateName"] + secrets.token_hex(3)[:5]
        self.attempts: list[list[Pod]] = []
        self.succeeded = False
        self.counted = 0
        self.taken: set[str] = set()
        self.uid = str(uuid.uuid4())
        self._spec = manifest["spec"]
        (self._replicated,) = self._spec["replicatedJobs"]
        self._job: Json = self._replicated["template"]["spec"]
        self._cluster = cluster
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def pods(self) -> list[Pod]:
        """The pods of the last attempt."""
        return self.attempts[-1] if self.attempts else []

    @property
    def log(self) -> str:
        """The output of all pods of all attempts so far."""
        return "".join(pod.log() for pods in self.attempts for pod in pods)

    def start(self) -> JobSet:
        """Start all pods."""
        self._thread.start()
        return self

    def wait(self, timeout: float) -> JobSet:
        """Wait for the end; after the time limit its processes are killed and the JobSet has failed."""
        self._deadline = time.monotonic() + timeout
        self._thread.join()
        return self

    def injected(self, index: int) -> Mapping[str, Mapping[str, str]]:
        """Further variables of a pod, by container; JobSet itself adds none."""
        del index
        return {}

    def _run(self) -> None:
        while time.monotonic() < self._deadline:
            self.attempts.append(list(self._make_pods(len(self.attempts))))
            for pod in self.pods:
                pod.start()
            reason = self._wait_for_job()
            for pod in self.pods:
                pod.terminate()
            self.succeeded = reason == ""
            if self.succeeded or not self._restarts(reason):
                return

    def _wait_for_job(self) -> str:
        """Why the Job failed, empty if it has succeeded; with `backoffLimit` 0 the first failed pod fails it."""
        assert self._job["backoffLimit"] == 0
        while time.monotonic() < self._deadline:
            wait_for_any(self.pods, time.monotonic() + 1)
            ended = [pod for pod in self.pods if pod.wait(0)]
            failed = [pod for pod in ended if pod.status]
            if failed:
                taken = any(pod.identity.name in self.taken for pod in failed)
                return "PodFailurePolicy" if taken and self._fails_on_disruption() else "BackoffLimitExceeded"
            if len(ended) == len(self.pods):
                return ""
        return "DeadlineExceeded"

    def _fails_on_disruption(self) -> bool:
        rules = self._job.get("podFailurePolicy", {}).get("rules", [])
        return any(rule["action"] == "FailJob" and DISRUPTION in rule["onPodConditions"] for rule in rules)

    def _restarts(self, reason: str) -> bool:
        """Apply the first rule for the reason; a restart without one counts (pkg/controllers/failure_policy.go)."""
        policy = self._spec["failurePolicy"]
        actions = [rule["action"] for rule in policy["rules"] if reason in rule["onJobFailureReasons"]]
        if actions[:1] == ["RestartJobSetAndIgnoreMaxRestarts"]:
            return True
        self.counted += 1
        return self.counted <= int(policy["maxRestarts"])

    def _make_pods(self, attempt: int) -> Iterator[Pod]:
        job = f"{self.name}-{self._replicated['name']}-0"
        labels = {
            "jobset.sigs.k8s.io/jobset-name": self.name,
            "jobset.sigs.k8s.io/jobset-uid": self.uid,
            "jobset.sigs.k8s.io/restart-attempt": str(attempt),
            "batch.kubernetes.io/job-name": job,
            "batch.kubernetes.io/controller-uid": str(uuid.uuid4()),
        }
        for index in range(self._job["completions"]):
            template = copy.deepcopy(self._job["template"])
            containers = [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
            for container in containers:
                more = {"JOB_COMPLETION_INDEX": str(index), **self.injected(index).get(container["name"], {})}
                added = [{"name": name, "value": value} for name, value in more.items()]
                container["env"] = [*container.get("env", []), *added]
            metadata = template.get("metadata", {})
            metadata["labels"] = metadata.get("labels", {}) | labels
            host = f"{job}-{index}"
            name = f"{host}-{secrets.token_hex(3)[:5]}"
            assert len(name) <= 63
            identity = Identity(name, f"node-{index}", metadata, self._hosts(job), host)
            yield Pod(identity, template["spec"], self._cluster, self._cluster.root / "pods" / name)

    def _hosts(self, job: str) -> dict[str, str]:
        """A loopback address for each index: the controller creates a headless Service with the name of the JobSet."""
        network = zlib.crc32(self.name.encode())
        return {
            f"{job}-{index}.{self.name}": f"127.{1 + network % 250}.{network // 250 % 250}.{10 + index}"
            for index in range(self._job["completions"])
        }
