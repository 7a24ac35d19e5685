"""Run a VolcanoJob on this machine like its controller: all pods at once, additions of plugins, restarts."""

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
    from collections.abc import Iterator


class VolcanoJob:
    """A job in a cluster: `start` it and `wait` for its end; its pods of every attempt stay readable."""

    def __init__(self, manifest: Json, cluster: Cluster) -> None:
        """Submit a manifest."""
        self.name: str = (
            manifest["metadata"].get("name") or manifest["metadata"]["generateName"] + secrets.token_hex(3)[:5]
        )
        self.attempts: list[list[Pod]] = []
        self.succeeded = False
        self._spec = manifest["spec"]
        self._uid = uuid.uuid4()
        self._labels = {"volcano.sh/job-name": self.name, "volcano.sh/job-namespace": "default"}
        self._cluster = cluster
        self._deadline = float("inf")
        self._first: int | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def pods(self) -> list[Pod]:
        """The pods of the last attempt."""
        return self.attempts[-1] if self.attempts else []

    @property
    def log(self) -> str:
        """The output of all pods of all attempts so far."""
        return "".join(pod.log() for pods in self.attempts for pod in pods)

    def start(self, first: int | None = None) -> VolcanoJob:
        """Start all pods, or the first ones until the others are admitted."""
        self._first = first
        self._thread.start()
        return self

    def let_in(self) -> None:
        """Start the pods that have been pending so far."""
        for pod in self.pods[self._first or 0 :]:
            pod.start()

    def runs(self) -> bool:
        """Whether it is still running."""
        return self._thread.is_alive()

    def wait(self, timeout: float) -> VolcanoJob:
        """Wait for the end of the job; after the time limit its processes are killed and the job has failed."""
        self._deadline = time.monotonic() + timeout
        self._thread.join()
        return self

    def _run(self) -> None:
        actions = {policy["action"] for policy in self._policies() if "PodFailed" in _events(policy)}
        restarts = "RestartJob" in actions
        # A restart is counted before the comparison with maxRetry, so there is one less than the name suggests.
        for attempt in range(max(1, self._spec.get("maxRetry", 3)) if restarts else 1):
            self.attempts.append(list(self._make_pods(attempt)))
            for pod in self.pods[: self._first if attempt == 0 else None]:
                pod.start()
            self._wait_for_pods(until_one_fails=restarts or "TerminateJob" in actions)
            for pod in self.pods:
                pod.terminate()
            self.succeeded = all(pod.status == 0 for pod in self.pods)
            if self.succeeded or time.monotonic() >= self._deadline:
                return

    def _wait_for_pods(self, *, until_one_fails: bool) -> None:
        while time.monotonic() < self._deadline:
            if wait_for_any(self.pods, time.monotonic() + 1) and until_one_fails:
                return
            if all(pod.wait(0) for pod in self.pods):
                return

    def _policies(self) -> list[Json]:
        return [*self._spec.get("policies", []), *(p for task in self._spec["tasks"] for p in task.get("policies", []))]

    def _make_pods(self, attempt: int) -> Iterator[Pod]:
        hosts = self._hosts()
        names = [(task, index) for task in self._spec["tasks"] for index in range(task.get("replicas", 1))]
        for number, (task, index) in enumerate(names):
            template = copy.deepcopy(task["template"])
            self._add_plugins(template["spec"], index)
            self._add_job_volumes(template["spec"])
            metadata = template.get("metadata", {})
            own = {"volcano.sh/task-spec": task["name"], "volcano.sh/task-index": str(index)}
            metadata["labels"] = metadata.get("labels", {}) | self._labels | own
            group = {"scheduling.k8s.io/group-name": f"{self.name}-{self._uid}"}
            metadata["annotations"] = metadata.get("annotations", {}) | group
            name = f"{self.name}-{task['name']}-{index}"
            directory = self._cluster.root / "pods" / f"{name}.{self._uid.hex[:8]}.{attempt}"
            yield Pod(Identity(name, f"node-{number}", metadata, hosts), template["spec"], self._cluster, directory)

    def _task_hosts(self, task: Json) -> list[str]:
        return [f"{self.name}-{task['name']}-{index}.{self.name}" for index in range(task.get("replicas", 1))]

    def _hosts(self) -> dict[str, str]:
        """A loopback address for every pod; the names resolve only with the svc plugin."""
        if "svc" not in self._spec.get("plugins", {}):
            return {}
        names = [host for task in self._spec["tasks"] for host in self._task_hosts(task)]
        network = zlib.crc32(self.name.encode())
        return {name: f"127.{1 + network % 250}.{network // 250 % 250}.{10 + n}" for n, name in enumerate(names)}

    def _add_plugins(self, pod: Json, index: int) -> None:
        """Append variables after the user's: a plugin's value wins over one of the same name."""
        plugins, added = self._spec.get("plugins", {}), {}
        if "svc" in plugins:
            for task in self._spec["tasks"]:
                prefix = f"VC_{task['name'].replace('-', '_').upper()}"
                added[f"{prefix}_HOSTS"] = ",".join(self._task_hosts(task))
                added[f"{prefix}_NUM"] = str(task.get("replicas", 1))
        if "env" in plugins:
            added |= {"VC_TASK_INDEX": str(index), "VK_TASK_INDEX": str(index)}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            container["env"] = [*container.get("env", []), *({"name": n, "value": v} for n, v in added.items())]

    def _add_job_volumes(self, pod: Json) -> None:
        """Mount the job's volumes without subPath, in containers only: init containers do not get them."""
        for number, volume in enumerate(self._spec.get("volumes", [])):
            claim = volume.get("volumeClaimName") or f"{self.name}-pvc-{number}"
            name = f"{self.name}-volume-{number}"
            pod.setdefault("volumes", []).append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
            for container in pod["containers"]:
                mount = {"name": name, "mountPath": volume["mountPath"]}
                container["volumeMounts"] = [*container.get("volumeMounts", []), mount]


def _events(policy: Json) -> list[str]:
    return [*policy.get("events", []), *([policy["event"]] if "event" in policy else [])]
