"""The cluster's part in a run: timeouts, the defaults that it fills in, and the Secrets that containers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.pod import containers
from ftc.summary.types import Secret
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

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
