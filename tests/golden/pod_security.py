"""The Pod Security Standards as Kubernetes publishes them: which controls a pod violates.

Written only from https://kubernetes.io/docs/concepts/security/pod-security-standards/, control by control in its order,
so that it does not share a mistake with the rules of ftc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
_EACH = "{containers,initContainers,ephemeralContainers}[*]"
_POD = "spec"
_CONTAINER = f"spec.{_EACH}"
_BOTH = (f"{_POD}.securityContext", f"{_CONTAINER}.securityContext")
_HANDLERS = tuple(
    f"{handler}.{way}.host"
    for handler in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
    for way in ("httpGet", "tcpSocket")
)
_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    "net.ipv4.tcp_keepalive_probes",
}
_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}


class Control(NamedTuple):
    """Restricted fields and the values that they may have; an undefined field is allowed."""

    name: str
    fields: tuple[str, ...]
    allowed: set[Any]


BASELINE = (
    Control("HostProcess", tuple(f"{place}.windowsOptions.hostProcess" for place in _BOTH), {False}),
    Control("Host Namespaces", tuple(f"spec.{name}" for name in ("hostNetwork", "hostPID", "hostIPC")), {False}),
    Control("Privileged Containers", (f"{_CONTAINER}.securityContext.privileged",), {False}),
    Control("Capabilities", (f"{_CONTAINER}.securityContext.capabilities.add[*]",), _CAPABILITIES),
    Control("HostPath Volumes", ("spec.volumes[*].hostPath",), set()),
    Control("Host Ports", (f"{_CONTAINER}.ports[*].hostPort",), {0}),
    Control("Host Probes / Lifecycle Hooks", tuple(f"{_CONTAINER}.{handler}" for handler in _HANDLERS), {""}),
    Control(
        "AppArmor",
        tuple(f"{place}.appArmorProfile.type" for place in _BOTH),
        {"RuntimeDefault", "Localhost"},
    ),
    Control(
        "SELinux",
        tuple(f"{place}.seLinuxOptions.type" for place in _BOTH),
        {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"},
    ),
    Control(
        "SELinux",
        tuple(f"{place}.seLinuxOptions.{field}" for place in _BOTH for field in ("user", "role")),
        {""},
    ),
    Control("/proc Mount Type", (f"{_CONTAINER}.securityContext.procMount",), {"Default"}),
    Control("Seccomp", tuple(f"{place}.seccompProfile.type" for place in _BOTH), {"RuntimeDefault", "Localhost"}),
    Control("Sysctls", ("spec.securityContext.sysctls[*].name",), _SYSCTLS),
)


def baseline(template: Json) -> set[str]:
    """The controls of `baseline` that a pod template violates."""
    found = {
        control.name
        for control in BASELINE
        for field in control.fields
        for value in _values(template, field.split("."))
        if isinstance(value, dict) or value not in control.allowed
    }
    return found | ({"AppArmor"} if _bad_annotation(template) else set())


def restricted(template: Json) -> set[str]:
    """The controls of `restricted` that a pod template violates; those of `baseline` are among them."""
    pod = template["spec"]
    contexts = [container.get("securityContext", {}) for container in _values(template, _CONTAINER.split("."))]
    return baseline(template) | {
        name
        for name, kept in (
            ("Volume Types", all(len(_VOLUMES & volume.keys()) == 1 for volume in pod.get("volumes", []))),
            ("Privilege Escalation", all(context.get("allowPrivilegeEscalation") is False for context in contexts)),
            ("Running as Non-root", _each(pod, contexts, "runAsNonRoot", {True})),
            ("Running as Non-root user", 0 not in [c.get("runAsUser") for c in (*contexts, pod["securityContext"])]),
            ("Seccomp", _each(pod, contexts, "seccompProfile", {"RuntimeDefault", "Localhost"})),
            ("Capabilities", all(_dropped(context.get("capabilities", {})) for context in contexts)),
        )
        if not kept
    }


def _each(pod: Json, contexts: list[Json], field: str, allowed: set[Any]) -> bool:
    """Whether every container has an allowed value, set on itself or on the pod."""
    of_pod = pod.get("securityContext", {}).get(field)
    values = [context.get(field, of_pod) for context in contexts]
    return all((value["type"] if isinstance(value, dict) else value) in allowed for value in values)


def _dropped(capabilities: Json) -> bool:
    return "ALL" in capabilities.get("drop", []) and set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}


def _bad_annotation(template: Json) -> bool:
    annotations = template.get("metadata", {}).get("annotations", {})
    values = [v for k, v in annotations.items() if k.startswith("container.apparmor.security.beta.kubernetes.io/")]
    return any(value not in ("", "runtime/default") and not value.startswith("localhost/") for value in values)


def _values(owner: Any, keys: list[str]) -> Iterator[Any]:
    """The values at a path of the page: `[*]` means each item, and braces enclose alternative names."""
    if owner is None:
        return
    if not keys:
        yield owner
        return
    first, *rest = keys
    names = first.removesuffix("[*]").strip("{}").split(",")
    for value in [owner[name] for name in names if name in owner]:
        for item in value if first.endswith("[*]") else [value]:
            yield from _values(item, rest)
