"""Run a batch Job on this machine like its controller: indexes, host names, replacements, limits."""

from __future__ import annotations

import copy
import secrets
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING

from e2e.pod import Cluster, Identity, Json, Pod

if TYPE_CHECKING:
    from collections.abc import Iterable

# The real controller waits ten seconds before it replaces the first failed pod, and twice as long each time after.
BACKOFF_SECONDS = 10


class BatchJob:
    """A Job in a cluster, with its Service: `start` it and `wait` for its end; its pods of every attempt stay readable.

    The end of a pod that `taken` names does not count, as if the cluster had removed it.
    """

    def __init__(self, manifests: Iterable[Json], cluster: Cluster) -> None:
        """Submit the documents of a manifest; a Service must precede its Job."""
        *services, manifest = manifests
        metadata = manifest["metadata"]
        self.name: str = metadata.get("name") or metadata["generateName"] + secrets.token_hex(3)[:5]
        self.attempts: list[list[Pod]] = []
        self.succeeded = False
        self.failures = 0
        self._uid = uuid.uuid4()
        self._spec = manifest["spec"]
        self._template: Json = self._spec["template"]
        self._hosts = self._names(services)
        self._cluster = cluster
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.taken: set[str] = set()

    @property
    def pods(self) -> list[Pod]:
        """The last pod of each index."""
        return [pods[-1] for pods in self.attempts if pods]

    @property
    def log(self) -> str:
        """The output of all pods so far."""
        return "".join(pod.log() for pods in self.attempts for pod in pods)

    def start(self) -> BatchJob:
        """Start all pods."""
        self._thread.start()
        return self

    def runs(self) -> bool:
        """Whether it is still running."""
        return self._thread.is_alive()

    def wait(self, timeout: float) -> BatchJob:
        """Wait for the end of the Job; after the time limit its processes are killed and the Job has failed."""
        self._deadline = time.monotonic() + timeout
        self._thread.join()
        return self

    @property
    def _indexed(self) -> bool:
        return bool(self._spec.get("completionMode") == "Indexed")

    def _run(self) -> None:
        count = self._spec.get("completions", 1)
        self.attempts = [[self._make_pod(index)] for index in range(count)]
        for pod in self.pods:
            pod.start()
        due: dict[int, float] = {}
        while time.monotonic() < self._deadline and self.failures <= self._spec.get("backoffLimit", 6):
            self._count_failures(due)
            for index in [index for index, moment in due.items() if moment <= time.monotonic()]:
                del due[index]
                self.attempts[index].append(self._make_pod(index))
                self.attempts[index][-1].start()
            if all(pod.status == 0 for pod in self.pods):
                self.succeeded = True
                return
            time.sleep(0.05)
        for pod in self.pods:
            pod.terminate()

    def _count_failures(self, due: dict[int, float]) -> None:
        for index, pods in enumerate(self.attempts):
            if index in due or not pods[-1].status:
                continue
            ignored = pods[-1].identity.name in self.taken
            self.failures += not ignored
            due[index] = time.monotonic() + (0 if ignored else BACKOFF_SECONDS * 2 ** max(0, self.failures - 1))

    def _make_pod(self, index: int) -> Pod:
        template = copy.deepcopy(self._template)
        metadata = template.get("metadata", {})
        labels = {"batch.kubernetes.io/job-name": self.name, "batch.kubernetes.io/controller-uid": str(self._uid)}
        name, host = f"{self.name}-{secrets.token_hex(3)[:5]}", None
        if self._indexed:
            labels["batch.kubernetes.io/job-completion-index"] = str(index)
            name, host = f"{self.name}-{index}-{secrets.token_hex(3)[:5]}", f"{self.name}-{index}"
            given = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
            for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
                container["env"] = [*container.get("env", []), given]
        metadata["labels"] = metadata.get("labels", {}) | labels
        directory = self._cluster.root / "pods" / f"{name}.{self._uid.hex[:8]}"
        identity = Identity(name, f"node-{index}", metadata, self._hosts, host)
        return Pod(identity, template["spec"], self._cluster, directory)

    def _names(self, services: list[Json]) -> dict[str, str]:
        """A loopback address for each index: the names resolve only if a headless Service selects the pods.

        A name is the pod's host name in its subdomain, which must be the Service's name.
        """
        names = {service["metadata"]["name"] for service in services if self._selects(service)}
        subdomain = self._template["spec"].get("subdomain")
        if subdomain not in names or not self._indexed:
            return {}
        network = zlib.crc32(self._uid.bytes)
        return {
            f"{self.name}-{index}.{subdomain}": f"127.{1 + network % 250}.{network // 250 % 250}.{10 + index}"
            for index in range(self._spec["completions"])
        }

    def _selects(self, service: Json) -> bool:
        spec = service["spec"]
        ready = spec.get("clusterIP") == "None" and spec.get("publishNotReadyAddresses") is True
        return ready and bool(spec["selector"] == {"batch.kubernetes.io/job-name": self.name})
