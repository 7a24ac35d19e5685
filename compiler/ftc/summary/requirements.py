"""The objects and images that must exist before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.files import scripts_name
from ftc.plan.pod import containers
from ftc.spec.storage import Claim
from ftc.summary.types import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.summary.types import Secret


def requires(
    spec: JobSpec, pod: Json, secrets: Sequence[Secret], queue: tuple[str, str] | None
) -> tuple[Requirement, ...]:
    """Everything that the pods refer to and that ftc does not emit, each once."""
    queues = [Requirement(*queue, "")] if queue else []
    namespaces = [Requirement("namespace", spec.namespace, "")] if spec.namespace else []
    scripts = scripts_name() if spec.scripts == "configmap" else None
    named = (*_claims(spec, pod), *_others(pod, scripts), *map(_secret, secrets))
    found = (*named, *namespaces, *queues, *_settings(pod), *_images(pod))
    return tuple(dict.fromkeys(found))


def _claims(spec: JobSpec, pod: Json) -> Iterator[Requirement]:
    storage = spec.storage
    known = {
        one.claim: one for one in (storage.workspace, storage.cache, *storage.more.values()) if isinstance(one, Claim)
    }
    for volume in pod.get("volumes", []):
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            claim = known.get(name)
            size = f", {claim.size}: -t storage makes it" if claim and claim.size else ""
            yield Requirement("claim", str(name), f"{claim.access_mode}{size}" if claim else "")


def _others(pod: Json, scripts: str | None) -> Iterator[Requirement]:
    """ConfigMaps, with that of ftc's `scripts`, and Secrets that are mounted."""
    for volume in pod.get("volumes", []):
        parts = [volume, *(volume.get("projected") or {}).get("sources", [])]
        for part in parts:
            if name := (part.get("configMap") or {}).get("name"):
                yield Requirement("ConfigMap", str(name), "-t scripts makes it" if name == scripts else "mounted")
            if name := (part.get("secret") or {}).get("secretName", (part.get("secret") or {}).get("name")):
                yield Requirement("Secret", str(name), "mounted")
    for container in containers(pod):
        for source in [
            *container.get("envFrom", []),
            *(one.get("valueFrom") or {} for one in container.get("env", [])),
        ]:
            if name := (source.get("configMapRef") or source.get("configMapKeyRef") or {}).get("name"):
                yield Requirement("ConfigMap", str(name), f"variables of {container['name']}")


def _secret(secret: Secret) -> Requirement:
    return Requirement("Secret", secret.name, f"{', '.join(secret.keys)} for {', '.join(secret.containers)}")


def _settings(pod: Json) -> Iterator[Requirement]:
    for key, kind in (
        ("serviceAccountName", "account"),
        ("priorityClassName", "priority"),
        ("runtimeClassName", "runtime"),
    ):
        if pod.get(key):
            yield Requirement(kind, str(pod[key]), key)


def _images(pod: Json) -> Iterator[Requirement]:
    for image in dict.fromkeys(str(container.get("image", "")) for container in containers(pod)):
        yield Requirement("image", image, "")
