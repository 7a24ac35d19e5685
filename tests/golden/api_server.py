"""Apply a job again without a change.

A fake of the API server, Volcano's webhooks and its controller, because none of them runs here. It follows the parts of
their sources that an apply goes through:

- Volcano, pkg/webhooks/admission/jobs/mutate/mutate_job.go: defaults of a new job only;
- Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go, validateJobUpdate: which fields may change;
- Volcano, pkg/controllers/job/job_controller_actions.go: a claim gets a name, which is written into the job;
- Volcano's resource definition: defaults of the API server, in every request;
- kubectl: for an unchanged manifest, client-side and server-side apply do the same: a field of the manifest replaces
  the live one, others are kept. A list of a custom resource is one field (the definition gives `tasks` and `volumes` no
  keys); lists of Kubernetes' own kinds are merged by the keys of their items;
- Kubernetes, pkg/apis/batch/validation, ValidateJobUpdate; pkg/apis/core/validation, ValidateServiceUpdate.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

Json = dict[str, Any]
# The keys by which kubectl merges lists of a Job and a Service.
_KEYS = ("name", "mountPath", "containerPort", "ip")
_COUNTER = itertools.count()


class RefusedError(Exception):
    """An error message of the server."""


def create_volcano(manifest: Json) -> Json:
    """The object that is stored."""
    live = _with_definition_defaults(copy.deepcopy(manifest))
    _mutate(live["spec"])
    return _controlled(live)


def apply_volcano(live: Json, manifest: Json) -> Json:
    """The object after `kubectl apply` of an unchanged manifest."""
    new = _with_definition_defaults(_overlay(live, manifest, ()))
    _validate_update(copy.deepcopy(live), copy.deepcopy(new))
    return _controlled(new)


def _with_definition_defaults(job: Json) -> Json:
    job["spec"].setdefault("maxRetry", 3)
    job["spec"].setdefault("queue", "default")
    return job


def _mutate(spec: Json) -> None:
    spec["queue"] = spec.get("queue") or "default"
    spec["schedulerName"] = spec.get("schedulerName") or "volcano"
    spec["maxRetry"] = spec.get("maxRetry") or 3
    for index, task in enumerate(spec["tasks"]):
        task["name"] = task.get("name") or f"default{index}"
        pod = task["template"]["spec"]
        if pod.get("hostNetwork") and not pod.get("dnsPolicy"):
            pod["dnsPolicy"] = "ClusterFirstWithHostNet"
        if task.get("minAvailable") is None:
            task["minAvailable"] = task.get("replicas", 0)
        task["maxRetry"] = task.get("maxRetry") or 3
    spec["minAvailable"] = spec.get("minAvailable") or sum(task["minAvailable"] for task in spec["tasks"])
    plugins = spec.get("plugins") or {}
    if plugins.keys() & {"tensorflow", "mpi", "pytorch", "ray"}:
        plugins.setdefault("svc", [])


def _validate_update(old: Json, new: Json) -> None:
    if len(old["spec"]["tasks"]) != len(new["spec"]["tasks"]):
        raise RefusedError("job updates may not add or remove tasks")
    for job in (old, new):
        for field in ("minAvailable", "priorityClassName"):
            job["spec"].pop(field, None)
        for task in job["spec"]["tasks"]:
            for field in ("replicas", "minAvailable"):
                task.pop(field, None)
        for volume in job["spec"].get("volumes", []):
            if "volumeClaim" in volume:
                volume.pop("volumeClaimName", None)
    if old["spec"] != new["spec"]:
        raise RefusedError(
            "job updates may not change fields other than `minAvailable`, `tasks[*].replicas under spec`"
        )


def _controlled(job: Json) -> Json:
    for volume in job["spec"].get("volumes", []):
        if "volumeClaim" in volume and not volume.get("volumeClaimName"):
            volume["volumeClaimName"] = f"{job['metadata']['name']}-pvc-{next(_COUNTER):012d}"
    return job


def create_builtin(manifest: Json) -> Json:
    """The Job or Service that is stored, with some fields that the server and its controllers add."""
    live = copy.deepcopy(manifest)
    if live["kind"] == "Service":
        live["spec"] |= {"clusterIPs": ["None"], "type": "ClusterIP", "sessionAffinity": "None"}
        return live
    spec = live["spec"]
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    spec.setdefault("completions", 1)
    spec.setdefault("parallelism", 1)
    spec.setdefault("completionMode", "NonIndexed")
    spec["template"]["metadata"]["labels"] |= {"batch.kubernetes.io/controller-uid": "u"}
    for container in spec["template"]["spec"]["containers"]:
        container |= {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}
    return live


def apply_builtin(live: Json, manifest: Json) -> Json:
    """The Job or Service after `kubectl apply` of an unchanged manifest."""
    new: Json = _overlay(live, manifest, _KEYS)
    fields = {
        "Job": ("completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"),
        "Service": ("clusterIP", "clusterIPs"),
    }
    for field in fields[live["kind"]]:
        if live["spec"].get(field) != new["spec"].get(field):
            raise RefusedError(f"spec.{field}: field is immutable")
    return new


def _overlay(live: Any, manifest: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(live, dict) and isinstance(manifest, dict):
        changed = {key: _overlay(live[key], value, keys) if key in live else value for key, value in manifest.items()}
        return copy.deepcopy({**live, **changed})
    if isinstance(live, list) and isinstance(manifest, list) and manifest and isinstance(manifest[0], dict):
        key = next((key for key in keys if all(key in item for item in manifest)), None)
        if key is not None:
            items = {item[key]: item for item in manifest}
            return [_overlay(item, items[item[key]], keys) if item[key] in items else item for item in live]
    return copy.deepcopy(manifest)
