"""Who the containers run as, and where they may write if that is not root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import publish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.spec.base import Json
    from ftc.spec.cluster import Cluster

HOME = "/home/ftc"
VOLUME = "ftc-home"
_USER = 1000
_CACHE = f"{HOME}/.cache"
# Images point some of these at directories of root, so a HOME alone is not enough. The user has no entry in the image's
# /etc/passwd: Python's getpass, which PyTorch calls, then takes LOGNAME.
_WRITABLE = {
    "HOME": HOME,
    "LOGNAME": "ftc",
    "TMPDIR": HOME,
    "XDG_CACHE_HOME": _CACHE,
    "HF_HOME": f"{_CACHE}/huggingface",
    "MODELSCOPE_CACHE": f"{_CACHE}/modelscope",
    "TORCH_HOME": f"{_CACHE}/torch",
    "TORCH_EXTENSIONS_DIR": f"{_CACHE}/torch_extensions",
    "TORCHINDUCTOR_CACHE_DIR": f"{_CACHE}/torchinductor",
    "TRITON_CACHE_DIR": f"{_CACHE}/triton",
    "MPLCONFIGDIR": f"{_CACHE}/matplotlib",
    "PYTHONUSERBASE": f"{HOME}/.local",
}


def user(cluster: Cluster) -> int | None:
    """The user that every container runs as; None is the one of the image."""
    return cluster.run_as_user or (_USER if cluster.security == "restricted" else None)


def of_pod(cluster: Cluster) -> Json:
    """What the pod says of its rights.

    Trainers run third-party code, so the token of the service account stays out.
    """
    secrets = [{"name": name} for name in cluster.image_pull_secrets]
    return {
        **({"serviceAccountName": cluster.service_account} if cluster.service_account else {}),
        "automountServiceAccountToken": False,
        **({"imagePullSecrets": secrets} if secrets else {}),
        "securityContext": {**_identity(user(cluster)), "seccompProfile": {"type": "RuntimeDefault"}},
    }


def _identity(number: int | None) -> Json:
    """The group owns emptyDirs and most claims, so that the user can write to them.

    OnRootMismatch: without it the kubelet changes the owner of every file of a volume at each start.
    """
    if number is None:
        return {}
    return {
        "runAsNonRoot": True,
        "runAsUser": number,
        "runAsGroup": number,
        "fsGroup": number,
        "fsGroupChangePolicy": "OnRootMismatch",
    }


def of_containers(cluster: Cluster) -> Json:
    """What each container of the pod says, those of fragments too; their own words win."""
    if cluster.security == "baseline":
        return {}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def has_home(cluster: Cluster, container: str) -> bool:
    """Whether a container gets a home: the home of the image may not be the user's; publishing always has its own."""
    return user(cluster) is not None or container == publish.NAME


def variables(cluster: Cluster, container: str) -> dict[str, str]:
    """Where the programs of a container keep their files, if it gets a home."""
    if user(cluster) is not None:
        return _WRITABLE
    return {name: _WRITABLE[name] for name in ("HOME", "TMPDIR")} if has_home(cluster, container) else {}


def mounts(cluster: Cluster, container: str) -> list[Json]:
    """The home of a container; no other container sees it, so none can leave a configuration for another."""
    return [{"name": VOLUME, "mountPath": HOME, "subPath": container}] if has_home(cluster, container) else []


def volumes(cluster: Cluster, containers: Iterable[str]) -> list[Json]:
    """The volume of the homes, which is gone with the pod."""
    return [{"name": VOLUME, "emptyDir": {}}] if any(has_home(cluster, name) for name in containers) else []
