"""The cluster's part in a run: timeouts, the defaults that it fills in, and the Secrets that containers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.pod import containers
from ftc.summary.types import Default, Secret
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

# transformers, training_args.py: `ddp_timeout`; scripts/prepare.sh: the timeout for resolving the name of rank 0.
_DDP_TIMEOUT = 1800
_NAMES = 300


def seconds(spec: JobSpec, pod: Json) -> dict[str, int]:
    """The timeouts, and how long a finished job is kept."""
    talks = spec.trains and spec.processes > 1
    waits = {
        "download": spec.cluster.fetch_timeout_seconds if spec.model or spec.dataset else None,
        "name_of_node_0": _NAMES if spec.nodes > 1 else None,
        "lost_peer": chosen(spec).get("ddp_timeout", _DDP_TIMEOUT) if talks else None,
        "pod": pod.get("activeDeadlineSeconds"),
        "kept": spec.ttl_seconds_after_finished,
    }
    return {what: value for what, value in waits.items() if type(value) is int}


def defaults(run: RunPlan, pod: Json) -> tuple[Default, ...]:
    """The defaults that Volcano's webhook and the API server set in the VolcanoJob.

    Source: Volcano, pkg/webhooks/admission/jobs/mutate/mutate_job.go; Kubernetes, pkg/apis/core/v1/defaults.go.
    """
    return tuple(_defaults(run, pod))


def _defaults(run: RunPlan, pod: Json) -> Iterator[Default]:
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the job is kept until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the submitter's current namespace")
    if run.priority_class is None and "priorityClassName" not in pod:
        yield Default("priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("volumes[0].volumeClaim.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in pod:
        yield Default("template.spec.terminationGracePeriodSeconds", "30")


def secrets(pod: Json) -> tuple[Secret, ...]:
    """The Secrets that containers read, by name, never their content."""
    keys: dict[str, dict[str, None]] = {}
    readers: dict[str, dict[str, None]] = {}
    for container in containers(pod):
        for name, key in _read(container):
            keys.setdefault(name, {})[key] = None
            readers.setdefault(name, {})[container["name"]] = None
    for entry in pod.get("imagePullSecrets", []):
        keys.setdefault(str(entry["name"]), {})[".dockerconfigjson"] = None
        readers.setdefault(str(entry["name"]), {})["image pulls"] = None
    return tuple(Secret(name, tuple(keys[name]), tuple(readers[name])) for name in keys)


def _read(container: Json) -> Iterator[tuple[str, str]]:
    for variable in container.get("env", []):
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref:
            yield str(ref["name"]), str(ref["key"])
    for source in container.get("envFrom", []):
        if source.get("secretRef"):
            yield str(source["secretRef"]["name"]), "all keys"
