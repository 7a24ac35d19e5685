"""The user of the containers, and writable directories for a user that is not root."""

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
# Some images set these to directories of root, so HOME alone is not enough. /etc/passwd of the image does not list the
# user; Python's getpass, which PyTorch calls, then reads LOGNAME.
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
    """The user that every container runs as; None for the user of the image."""
    return cluster.run_as_user or (_USER if cluster.security == "restricted" else None)


def of_pod(cluster: Cluster) -> Json:
    """The pod's security settings.

    The trainer runs third-party code, so the pod does not mount the service account's token.
    """
    secrets = [{"name": name} for name in cluster.image_pull_secrets]
    return {
        **({"serviceAccountName": cluster.service_account} if cluster.service_account else {}),
        "automountServiceAccountToken": False,
        **({"imagePullSecrets": secrets} if secrets else {}),
        "securityContext": {**_identity(user(cluster)), "seccompProfile": {"type": "RuntimeDefault"}},
    }


def _identity(number: int | None) -> Json:
    """The fsGroup makes emptyDirs and most claims writable for the user.

    Without OnRootMismatch the kubelet changes the owner of every file in a volume at each start.
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
    """The security context of every container, including those of fragments; a container's own fields win."""
    if cluster.security == "baseline":
        return {}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def has_home(cluster: Cluster, container: str) -> bool:
    """Whether a container gets a home: the user may not own the image's home; publishing always gets one."""
    return user(cluster) is not None or container == publish.NAME


def variables(cluster: Cluster, container: str) -> dict[str, str]:
    """The variables that point the programs of a container to its home, if it gets one."""
    if user(cluster) is not None:
        return _WRITABLE
    return {name: _WRITABLE[name] for name in ("HOME", "TMPDIR")} if has_home(cluster, container) else {}


def mounts(cluster: Cluster, container: str) -> list[Json]:
    """The home of a container. No other container mounts it, so none can leave a configuration for another."""
    return [{"name": VOLUME, "mountPath": HOME, "subPath": container}] if has_home(cluster, container) else []


def volumes(cluster: Cluster, containers: Iterable[str]) -> list[Json]:
    """The volume of the homes, which is deleted with the pod."""
    return [{"name": VOLUME, "emptyDir": {}}] if any(has_home(cluster, name) for name in containers) else []
