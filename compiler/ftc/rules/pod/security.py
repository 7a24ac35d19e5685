"""Rules on the privileges of the pod and on the credentials of publishing.

The privileges are those of the Pod Security Standards of Kubernetes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ftc.diagnostics.model import KeyPath, Severity
from ftc.plan.pod import with_fragments
from ftc.plan.storage import CACHE, WORKSPACE
from ftc.plan.train import NAME
from ftc.plan.types import FromSecret
from ftc.rules.given import containers, metadata, pods, train
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


Level: TypeAlias = Literal["baseline", "restricted"]


class Breach(NamedTuple):
    """A field that a level forbids: its path in the pod, and its effect."""

    path: KeyPath
    level: Level
    message: str


# Kubernetes, Pod Security Standards, and staging/src/k8s.io/pod-security-admission/policy.
_CAPABILITIES = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)


_VOLUMES = frozenset(
    (
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim"),
        *("projected", "secret"),
    )
)


_SYSCTLS = frozenset(
    (
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"),
        *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout"),
        *("net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time"),
        "net.ipv4.tcp_syncookies",
    )
)


_SELINUX = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))


_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def breaches(pod: Json) -> Iterator[Breach]:
    """The fields of a pod, or of a fragment, that a level forbids."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield Breach((field,), "baseline", "shares a namespace of the host")
    for index, volume in enumerate(pod.get("volumes", [])):
        for kind in sorted(volume.keys() - {"name"} - _VOLUMES):
            yield _of_volume(("volumes", index, kind), kind)
    context = pod.get("securityContext", {})
    yield from _of_context(("securityContext",), context)
    for index, sysctl in enumerate(context.get("sysctls", [])):
        if sysctl["name"] not in _SYSCTLS:
            message = f"sets {sysctl['name']}, which is not a safe sysctl"
            yield Breach(("securityContext", "sysctls", index), "baseline", message)
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(field, [])):
            yield from _of_container((field, index), container)


def _of_volume(path: KeyPath, kind: str) -> Breach:
    if kind == "hostPath":
        return Breach(path, "baseline", "mounts a directory of the host")
    return Breach(path, "restricted", f"is a volume of type {kind}")


def _of_container(path: KeyPath, container: Json) -> Iterator[Breach]:
    for index, port in enumerate(container.get("ports", [])):
        if port.get("hostPort"):
            message = f"uses host port {port['hostPort']}"
            yield Breach((*path, "ports", index), "baseline", message)
    yield from _of_handlers(path, container)
    context, place = container.get("securityContext", {}), (*path, "securityContext")
    yield from _of_context(place, context)
    if context.get("privileged"):
        yield Breach((*place, "privileged"), "baseline", "is privileged")
    if context.get("procMount", "Default") != "Default":
        yield Breach((*place, "procMount"), "baseline", "unmasks /proc")
    if context.get("allowPrivilegeEscalation"):
        yield Breach((*place, "allowPrivilegeEscalation"), "restricted", "allows privilege escalation")
    for index, name in enumerate(context.get("capabilities", {}).get("add", [])):
        if name != "NET_BIND_SERVICE":
            level: Level = "restricted" if name in _CAPABILITIES else "baseline"
            yield Breach((*place, "capabilities", "add", index), level, f"adds the capability {name}")


def _of_handlers(path: KeyPath, container: Json) -> Iterator[Breach]:
    """The hosts in probes and hooks; the standard forbids them since Kubernetes 1.34."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        given = container.get(name, {})
        handlers = [given.get("postStart", {}), given.get("preStop", {})] if name == "lifecycle" else [given]
        hosts = [handler.get(way, {}).get("host") for handler in handlers for way in ("httpGet", "tcpSocket")]
        if any(hosts):
            yield Breach((*path, name), "baseline", "makes the kubelet connect to another host")


def _of_context(place: KeyPath, context: Json) -> Iterator[Breach]:
    """The fields that the security contexts of a pod and of a container share."""
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield Breach((*place, "seccompProfile"), "baseline", "allows every system call")
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield Breach((*place, "appArmorProfile"), "baseline", "disables AppArmor")
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield Breach((*place, "seLinuxOptions"), "baseline", "sets an SELinux context that is not for containers")
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield Breach((*place, "windowsOptions"), "baseline", "makes the container a host process")
    if context.get("runAsNonRoot") is False:
        yield Breach((*place, "runAsNonRoot"), "restricted", "lets the container run as root")
    if context.get("runAsUser") == 0:
        yield Breach((*place, "runAsUser"), "restricted", "runs the container as root")


def omissions(pod: Json) -> dict[str, list[str]]:
    """The fields that the restricted level requires, each with the containers that do not have it."""
    found: dict[str, list[str]] = {}
    for container in (*pod.get("initContainers", []), *pod.get("containers", [])):
        inherited = pod.get("securityContext", {})
        for field in _omitted({**inherited, **container.get("securityContext", {})}):
            found.setdefault(field, []).append(str(container.get("name")))
    return found


def _omitted(context: Json) -> Iterator[str]:
    """The required fields that a security context does not have."""
    if "runAsNonRoot" not in context:
        yield "runAsNonRoot: true"
    if "seccompProfile" not in context:
        yield "seccompProfile: {type: RuntimeDefault}"
    if "allowPrivilegeEscalation" not in context:
        yield "allowPrivilegeEscalation: false"
    if "ALL" not in context.get("capabilities", {}).get("drop", []):
        yield "capabilities: {drop: [ALL]}"


def pod_is_restricted(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """With cluster.security=restricted, the pod meets the restricted Pod Security Standard.

    A namespace that enforces the standard rejects the pods, and the job waits without pods. Some hardware needs more
    privileges: a host directory, IPC_LOCK for RDMA, SYS_NICE for Gaudi.
    Source: Kubernetes, Pod Security Standards; staging/src/k8s.io/pod-security-admission/policy.

    Wrong: cluster.security=restricted network=host
    Right: cluster.security=restricted network=pod
    """
    if spec.cluster.security == "restricted":
        for path, breach in _found(spec, run, ("baseline", "restricted")):
            help_ = "remove it, or set cluster.security=baseline for a namespace that allows it"
            message = f"{breach.message}, which the restricted Pod Security Standard forbids"
            yield Finding(path, message, help_, (("cluster", "security"),))


def pod_meets_baseline(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pod meets the baseline Pod Security Standard.

    A namespace that enforces the standard rejects the pods, and the job waits without pods. This is a note, because
    some hardware and networks need such privileges. The administrator then labels the namespace
    `pod-security.kubernetes.io/enforce: privileged`.
    Source: Kubernetes, Pod Security Standards; staging/src/k8s.io/pod-security-admission/policy.

    Wrong: network=host
    Right: network=pod
    """
    if spec.cluster.security == "baseline":
        for path, breach in _found(spec, run, ("baseline",)):
            message = f"{breach.message}, which the baseline Pod Security Standard forbids"
            yield Finding(path, message, "use a namespace that enforces privileged")


def _found(spec: JobSpec, run: RunPlan, levels: tuple[Level, ...]) -> Iterator[tuple[KeyPath, Breach]]:
    body = with_fragments(run)["spec"]
    for breach in breaches(body):
        if breach.level in levels:
            yield _origin(spec, _identity(body, breach.path)), breach
    for path, given in metadata(spec, "annotations"):
        for name in [name for name, value in given.items() if name.startswith(_APPARMOR) and value == "unconfined"]:
            yield (*path, name), Breach((), "baseline", "disables AppArmor")


def _origin(spec: JobSpec, identity: tuple[str, ...]) -> KeyPath:
    """The last fragment that sets a field, or the volume of the storage."""
    for place, pod in reversed(pods(spec)):
        for breach in breaches(pod):
            if _identity(pod, breach.path) == identity:
                return (*place, *breach.path)
    name = identity[1] if identity[0] == "volumes" else ""
    if name.startswith("more-"):
        return ("storage", "more", name.removeprefix("more-"), "kind")
    return ("storage", name, "kind") if name in (WORKSPACE, CACHE) else ("cluster", "security")


def _identity(pod: Json, path: KeyPath) -> tuple[str, ...]:
    """A path with the names of containers, volumes and ports, whose indices differ between fragments."""
    value: Any = pod
    names: list[str] = []
    for key in path:
        value = value[key]
        item = value.get("containerPort", value.get("name")) if isinstance(value, dict) else value
        names.append(str(item if isinstance(key, int) else key))
    return tuple(names)


def publishing_credentials_are_hidden(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The training cannot read the credentials for publishing.

    The training runs code from models and packages. Only the container that publishes has the credentials, in its
    variables. The training reads them too if it gets the same key of the Secret as a variable or a file, or if it sees
    the processes of the pod: with `shareProcessNamespace` or `hostPID` the variables are in /proc. A privileged
    container can read all of its node, which is a warning.
    Source: Kubernetes, Share Process Namespace between Containers in a Pod; Secrets; Pod Security Standards.

    Wrong: publish=git publish.url=https://git.example.com/o pod.spec.shareProcessNamespace=true
    Right: publish=git publish.url=https://git.example.com/o
    """
    if run.publish_step is None:
        return
    yield from _visible_processes(spec, run)
    used = {(value.secret, value.key) for value in run.publish_step.env.values() if isinstance(value, FromSecret)}
    for path, container in containers(spec):
        if container["name"] == NAME:
            yield from _in_variables(path, container, used)
    yield from _in_files(spec, run, used)
    for name, value in run.train_step.env.items():
        if isinstance(value, FromSecret) and (value.secret, value.key) in used:
            message = (
                f"publishes with the key '{value.key}' of Secret '{value.secret}', which the training gets as {name}"
            )
            yield Finding(("publish",), message, "use a token that can only publish, in another Secret or key")


_REMOVE = "remove it, or set publish=none"
_OTHER_KEY = "use another Secret or key for the training"


def _visible_processes(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    body = with_fragments(run)["spec"]
    shared = [field for field in ("shareProcessNamespace", "hostPID") if body.get(field)]
    for path, pod in pods(spec):
        for field in shared:
            if pod.get(field):
                yield Finding((*path, field), "lets the training read the credentials for publishing", _REMOVE)
    for where, container in containers(spec):
        context, place = container.get("securityContext", {}), (*where, "securityContext")
        if container["name"] != NAME:
            continue
        if context.get("privileged"):
            message = "lets the training read the credentials for publishing from the node"
            severity = None if shared else Severity.WARNING
            yield Finding((*place, "privileged"), message, _REMOVE, severity=severity)
        for index, name in enumerate(context.get("capabilities", {}).get("add", []) if shared else ()):
            if name.removeprefix("CAP_") in _OVER_PROCESSES:
                message = f"{name} lets the training read the memory of the container that publishes"
                yield Finding((*place, "capabilities", "add", index), message, _REMOVE)


# capabilities(7): these read the memory or the variables of other users' processes.
_OVER_PROCESSES = frozenset(("ALL", "SYS_ADMIN", "SYS_PTRACE"))


def _in_variables(path: KeyPath, container: Json, used: set[tuple[str, str]]) -> Iterator[Finding]:
    for index, variable in enumerate(container.get("env", [])):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if (reference.get("name"), reference.get("key")) in used:
            yield _finding((*path, "env", index), reference["name"])
    names = {secret for secret, _ in used}
    for index, source in enumerate(container.get("envFrom", [])):
        name = source.get("secretRef", {}).get("name")
        if name in names:
            yield _finding((*path, "envFrom", index), name)


def _in_files(spec: JobSpec, run: RunPlan, used: set[tuple[str, str]]) -> Iterator[Finding]:
    mounted = {mount["name"] for mount in train(run).get("volumeMounts", [])}
    for path, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            for secret, keys in _projected(volume) if volume["name"] in mounted else ():
                if any(name == secret and (keys is None or key in keys) for name, key in used):
                    yield _finding((*path, "volumes", index), secret)


def _projected(volume: Json) -> Iterator[tuple[str, set[str] | None]]:
    """The Secrets in a volume, each with the keys that the volume contains; None for all keys."""
    sources = [("secretName", volume.get("secret", {}))]
    sources += [("name", source.get("secret", {})) for source in volume.get("projected", {}).get("sources", [])]
    for field, secret in sources:
        if field in secret:
            yield secret[field], {item.get("key") for item in secret["items"]} if secret.get("items") else None


def _finding(path: KeyPath, secret: str) -> Finding:
    message = f"gives the training the credentials for publishing, which are in Secret '{secret}'"
    return Finding(path, message, _OTHER_KEY)


RULES = (
    Rule("FTC545", "violates-restricted-pod-security", pod_is_restricted, JobSpec),
    Rule("FTC546", "violates-baseline-pod-security", pod_meets_baseline, JobSpec, Severity.NOTE),
    Rule("FTC605", "publishing-credentials-visible-to-training", publishing_credentials_are_hidden, JobSpec),
)
