"""Small situations in the words of the real components: objects of one namespace, as the API server returns them.

The texts are those of Kubernetes 1.36, Volcano 1.15, Kueue 0.19 and HAMi 2; no cluster runs here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ftc.cluster.snapshot import Snapshot

Object = dict[str, Any]

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OLD, START = "2026-05-04T11:30:00Z", "2026-05-04T11:40:00Z"
GPU = "nvidia.com/gpu"
BY_FTC = {"app.kubernetes.io/managed-by": "ftc"}


def snapshot(*objects: Object, name: str = "sft", logs: dict[str, str] | None = None, refusal: str = "") -> Snapshot:
    """The objects, and an open queue."""
    return Snapshot("team", name, NOW, (*objects, queue("default")), logs or {}, {}, refusal)


def object_of(kind: str, name: str, group: str = "v1", **fields: Any) -> Object:
    metadata = {"name": name, "namespace": "team", "uid": f"{kind}-{name}", "creationTimestamp": OLD}
    return {"apiVersion": group, "kind": kind, "metadata": {**metadata, **fields.pop("metadata", {})}, **fields}


def pod_spec(**fields: Any) -> Object:
    requests = fields.pop("requests", {"cpu": "16", "memory": "128Gi", GPU: "8"})
    train = {
        "name": "train",
        "image": "hiyouga/llamafactory:0.9.5",
        "resources": {"requests": requests, "limits": requests},
    }
    train |= fields.pop("train", {})
    volumes = [{"name": "workspace", "persistentVolumeClaim": {"claimName": "workspace"}}]
    return {
        "containers": [train],
        "initContainers": [{"name": "fetch-model", "image": train["image"]}],
        "volumes": volumes,
    } | fields


def vcjob(phase: str | None = "Pending", replicas: int = 2, spec: Object | None = None, **fields: Any) -> Object:
    tasks = [{"name": "worker", "replicas": replicas, "template": {"spec": spec or pod_spec()}}]
    status = {"state": {"phase": phase}} if phase else {}
    metadata = {"labels": BY_FTC}
    body = {"minAvailable": replicas, "queue": fields.pop("queue", "default"), "tasks": tasks}
    return object_of("Job", "sft", "batch.volcano.sh/v1alpha1", metadata=metadata, spec=body, status=status | fields)


def job(
    conditions: list[Object] | None = None, parallelism: int = 1, labels: Object | None = None, **fields: Any
) -> Object:
    body = {"parallelism": parallelism, "template": {"spec": fields.pop("pod", pod_spec())}} | fields
    metadata = {"labels": BY_FTC | (labels or {})}
    return object_of("Job", "sft", "batch/v1", metadata=metadata, spec=body, status={"conditions": conditions or []})


def pod(number: int = 0, of: Object | None = None, **fields: Any) -> Object:
    """A pod of a VolcanoJob, or of another workload."""
    owner = of or vcjob()
    reference = [{"kind": owner["kind"], "name": "sft", "uid": owner["metadata"]["uid"]}]
    spec = fields.pop("spec", pod_spec())
    node = fields.pop("node", None)
    metadata = {"ownerReferences": reference, **fields.pop("metadata", {})}
    status = {"phase": fields.pop("phase", "Pending"), **fields}
    return object_of(
        "Pod", f"sft-{number}", metadata=metadata, spec=spec | ({"nodeName": node} if node else {}), status=status
    )


def unscheduled(
    said: str, number: int = 0, of: Object | None = None, reason: str = "Unschedulable", **fields: Any
) -> Object:
    row = {"type": "PodScheduled", "status": "False", "reason": reason, "message": said}
    return pod(number, of, conditions=[row], **fields)


def container(name: str, state: Object, last: Object | None = None) -> Object:
    return {"name": name, "state": state, "lastState": last or {}, "restartCount": 1 if last else 0}


def waiting(reason: str, message: str = "", name: str = "fetch-model") -> Object:
    """The status of a pod of which a container waits."""
    return {"initContainerStatuses": [container(name, {"waiting": {"reason": reason, "message": message}})]}


def ended(code: int, reason: str = "Error", name: str = "train", at: str = "2026-05-04T11:50:00Z") -> Object:
    """The status of a pod of which a container ended."""
    state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}
    key = "initContainerStatuses" if name.startswith("fetch") else "containerStatuses"
    return {"phase": "Failed", key: [container(name, state)]}


def node(name: str, gpus: int | None = 8, cpu: int = 96, memory: str = "1Ti", **spec: Any) -> Object:
    offered = {"cpu": str(cpu), "memory": memory} | ({GPU: str(gpus)} if gpus else {}) | spec.pop("offers", {})
    ready = spec.pop("ready", "True")
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }
    metadata = {"labels": {"kubernetes.io/hostname": name, **spec.pop("labels", {})}}
    status = {
        "allocatable": offered,
        "conditions": [condition],
        "nodeInfo": {"architecture": spec.pop("architecture", "amd64")},
    }
    return object_of("Node", name, metadata=metadata, spec=spec, status=status)


def event(about: Object, reason: str, message: str, kind: str = "Warning", at: str = "2026-05-04T11:59:00Z") -> Object:
    about_ = {"kind": about["kind"], "name": about["metadata"]["name"]}
    return object_of(
        "Event", f"{reason}-{at}", involvedObject=about_, reason=reason, message=message, type=kind, lastTimestamp=at
    )


def pod_group(phase: str | None = "Pending", least: Object | None = None, **status: Any) -> Object:
    reference = [{"kind": "Job", "name": "sft", "uid": "Job-sft"}]
    spec = {"minMember": 2, "queue": "default", "minResources": least or {GPU: "16"}}
    status = status | ({"phase": phase} if phase else {})
    group = "scheduling.volcano.sh/v1beta1"
    return object_of("PodGroup", "sft-group", group, metadata={"ownerReferences": reference}, spec=spec, status=status)


def queue(name: str, state: str = "Open", capability: Object | None = None) -> Object:
    spec = {"capability": capability} if capability else {}
    return object_of("Queue", name, "scheduling.volcano.sh/v1beta1", spec=spec, status={"state": state})


def claim(name: str = "workspace", phase: str = "Bound", storage_class: str | None = None, volume: str = "") -> Object:
    spec = {"storageClassName": storage_class, "volumeName": volume}
    return object_of("PersistentVolumeClaim", name, spec=spec, status={"phase": phase})


def kueue_workload(of: Object, *conditions: Object, **spec: Any) -> Object:
    reference = [{"kind": of["kind"], "name": "sft", "uid": of["metadata"]["uid"]}]
    group = "kueue.x-k8s.io/v1beta1"
    metadata = {"ownerReferences": reference}
    return object_of(
        "Workload", "job-sft", group, metadata=metadata, spec=spec, status={"conditions": list(conditions)}
    )


def said(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def go_dump(message: str) -> str:
    """How Volcano's controller prints the answer of the API server."""
    inner = message.replace('"', '\\"')
    return (
        "Error creating pods: [failed to create pod sft-0, err: &errors.StatusError{ErrStatus:v1.Status{"
        f'TypeMeta:v1.TypeMeta{{Kind:"", APIVersion:""}}, Status:"Failure", Message:"{inner}", Reason:"Forbidden", '
        "Details:(*v1.StatusDetails)(0xc000d1c2a0), Code:403}}]"
    )
