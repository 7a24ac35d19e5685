"""Every golden passes Pod Security `baseline`, and `restricted` if that is requested, apart from named exceptions.

The list of exceptions may only get shorter: an exception that passes must be removed.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from golden import cases, pod_security
from unit.loading import load, load_all

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("volcano", "job")
RESTRICTED = "cluster.security=restricted"


class Exempt(NamedTuple):
    """A golden that violates these controls; `why` names the source that requires the permission."""

    controls: set[str]
    why: str


_SECCOMP = Exempt({"Seccomp"}, "ROCm/k8s-device-plugin, pytorch-non-privileged.yaml: seccompProfile Unconfined")
_DRIVER = Exempt({"HostPath Volumes"}, "Project-HAMi/dcu-vgpu-device-plugin: /opt/hyhal on the node")
_GAUDI = Exempt({"Host Namespaces", "Capabilities"}, "docs.habana.ai, Kubernetes: hostIPC and SYS_NICE")
_RDMA = Exempt({"Capabilities"}, "Mellanox/k8s-rdma-shared-dev-plugin, test-hca-pod.yaml: IPC_LOCK")
_HOST = Exempt({"Host Namespaces", "Host Ports"}, "the option is the network of the node")
NOT_BASELINE = {
    **{f"hardware/{name}": _SECCOMP for name in ("amd", "amd-hami", "mi210", "mi250x", "mi300x")},
    **{f"hardware/{name}": _DRIVER for name in ("hygon-dcu", "hygon-z100")},
    **{f"hardware/{name}": _GAUDI for name in ("gaudi2", "gaudi3")},
    "hardware/ascend-910b-host-mounts": Exempt({"HostPath Volumes"}, "LLaMA-Factory, docker-compose: the driver"),
    **{f"network/{name}": _RDMA for name in ("rdma", "roce")},
    **{f"network/{name}": _HOST for name in ("host", "host-ascend")},
    "storage/node-cache": Exempt({"HostPath Volumes"}, "the option is a directory of the node"),
}
_NFS = Exempt({"Volume Types"}, "the option is an NFS volume without a claim")
NOT_RESTRICTED = {**NOT_BASELINE, "storage/nfs": _NFS}


def _overrides() -> dict[str, tuple[str, ...]]:
    scenarios = {
        f"scenarios/{file.parent.name}": tuple(load(file.read_text())["overrides"])
        for file in sorted(cases.SCENARIOS.glob(f"*/{cases.CASE}"))
    }
    options = {
        f"{file.parent.name}/{file.stem}": tuple(shlex.split(cases.command_of(file)))
        for file in sorted(cases.OPTIONS.glob("*/*.diff"))
    }
    return scenarios | options


OVERRIDES = _overrides()


@cache
def _state(name: str, target: str, *more: str) -> Any:
    return compile_job(Request((*OVERRIDES[name], *more), targets=(target,)))


def _templates(name: str, *more: str) -> Iterator[Any]:
    """The pods of each target that accepts the case; Volcano must accept it."""
    for target in TARGETS:
        state = _state(name, target, *more)
        if target == "volcano":
            assert not has_errors(state.diagnostics), state.diagnostics
        for document in load_all(state.outputs.get(target, "")):
            if document["kind"] == "Job":
                spec = document["spec"]
                yield from [task["template"] for task in spec["tasks"]] if "tasks" in spec else [spec["template"]]


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_golden_passes_baseline(name: str) -> None:
    wanted = NOT_BASELINE[name].controls if name in NOT_BASELINE else set()
    found = [pod_security.baseline(template) for template in _templates(name)]
    assert found == [wanted] * len(found)


@pytest.mark.parametrize("name", [name for name in OVERRIDES if name not in NOT_RESTRICTED])
def test_a_golden_passes_restricted_if_requested(name: str) -> None:
    found = [pod_security.restricted(template) for template in _templates(name, RESTRICTED)]
    assert found == [set()] * len(found)


@pytest.mark.parametrize("name", NOT_RESTRICTED)
def test_a_case_that_cannot_be_restricted_is_refused(name: str) -> None:
    found = _state(name, "volcano", RESTRICTED).diagnostics
    told = [diagnostic for diagnostic in found if diagnostic.code == "FTC545"]
    assert told, found
    for diagnostic in told:
        assert diagnostic.path[0] == name.split("/", maxsplit=1)[0], diagnostic
        assert diagnostic.position is not None


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_violation_of_baseline_is_noted(name: str) -> None:
    codes = {diagnostic.code for diagnostic in _state(name, "volcano").diagnostics}
    assert ("FTC546" in codes) == (name in NOT_BASELINE)


def test_every_exception_is_a_golden_and_has_a_source() -> None:
    assert OVERRIDES.keys() >= NOT_RESTRICTED.keys()
    assert all(re.search(r"\w{3,}", exempt.why) and exempt.controls for exempt in NOT_RESTRICTED.values())


FORBIDDEN: tuple[tuple[str, Any], ...] = (
    ("Host Namespaces", {"hostPID": True}),
    ("HostPath Volumes", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
    ("Sysctls", {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}),
    ("Seccomp", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ("AppArmor", {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
    ("SELinux", {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
    ("SELinux", {"securityContext": {"seLinuxOptions": {"role": "sysadm_r"}}}),
    ("HostProcess", {"securityContext": {"windowsOptions": {"hostProcess": True}}}),
)
FORBIDDEN_IN_CONTAINER: tuple[tuple[str, Any], ...] = (
    ("Privileged Containers", {"securityContext": {"privileged": True}}),
    ("Capabilities", {"securityContext": {"capabilities": {"add": ["NET_RAW"]}}}),
    ("/proc Mount Type", {"securityContext": {"procMount": "Unmasked"}}),
    ("Host Ports", {"ports": [{"containerPort": 80, "hostPort": 80}]}),
    ("Seccomp", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ("Host Probes / Lifecycle Hooks", {"livenessProbe": {"tcpSocket": {"host": "a", "port": 80}}}),
    ("Host Probes / Lifecycle Hooks", {"lifecycle": {"preStop": {"httpGet": {"host": "a", "port": 80}}}}),
)
PLAIN: Any = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}
WITHOUT: tuple[tuple[str, str], ...] = (
    ("allowPrivilegeEscalation", "Privilege Escalation"),
    ("runAsNonRoot", "Running as Non-root"),
    ("seccompProfile", "Seccomp"),
    ("capabilities", "Capabilities"),
)


def _pod(container: Any, **fields: Any) -> Any:
    return {"spec": {"securityContext": {}, "containers": [container], **fields}}


@pytest.mark.parametrize(("control", "fields"), FORBIDDEN)
def test_the_standard_finds_forbidden_fields_of_a_pod(control: str, fields: Any) -> None:
    assert pod_security.baseline(_pod({}, **fields)) == {control}


@pytest.mark.parametrize(("control", "fields"), FORBIDDEN_IN_CONTAINER)
def test_the_standard_finds_forbidden_fields_of_a_container(control: str, fields: Any) -> None:
    assert pod_security.baseline(_pod(fields)) == {control}
    assert pod_security.baseline(_pod({}, initContainers=[fields])) == {control}


@pytest.mark.parametrize(("field", "control"), WITHOUT)
def test_the_standard_finds_missing_fields_of_a_container(field: str, control: str) -> None:
    assert pod_security.restricted(_pod({"securityContext": PLAIN})) == set()
    less = {key: value for key, value in PLAIN.items() if key != field}
    assert pod_security.restricted(_pod({"securityContext": less})) == {control}


FRAGMENTS = [
    *FORBIDDEN,
    *((control, {"containers": [{"name": "train", **c}]}) for control, c in FORBIDDEN_IN_CONTAINER),
]
# The API server accepts the field only with these.
WITH: dict[str, Any] = {"HostProcess": {"hostNetwork": True}, "/proc Mount Type": {"hostUsers": False}}


@pytest.mark.parametrize(("control", "fragment"), FRAGMENTS)
def test_the_rule_finds_everything_that_the_standard_forbids(control: str, fragment: Any) -> None:
    """Each in a fragment of the user, including what no golden has."""
    given = {**fragment, **WITH.get(control, {})}
    overrides = (f"pod.spec={yaml.safe_dump(given, default_flow_style=True, width=10000).strip()}",)
    for security, code in (("baseline", "FTC546"), ("restricted", "FTC545")):
        found = compile_job(Request((*overrides, f"cluster.security={security}"))).diagnostics
        told = [diagnostic for diagnostic in found if diagnostic.code == code]
        assert told, (control, found)
        assert all(diagnostic.path[:2] == ("pod", "spec") for diagnostic in told), told


# capabilities(7), as the container runtimes and Kubernetes write them.
CAPABILITIES = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
    *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
    *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "WAKE_ALARM", "ALL"),
)
# The ten that the standard allows, and neighbours of them that it does not.
SYSCTLS = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout"),
    *("net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_syncookies", "kernel.msgmax", "net.core.somaxconn", "net.ipv4.ip_forward", "net.ipv4.tcp_rmem"),
)
SELINUX_TYPES = ("container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "unconfined_t")
ROWS = (
    *(("capability", name, {"capabilities": {"add": [name]}}) for name in CAPABILITIES),
    *(("SELinux type", name, {"seLinuxOptions": {"type": name}}) for name in SELINUX_TYPES),
    *(("seccomp", name, {"seccompProfile": {"type": name}}) for name in ("RuntimeDefault", "Unconfined")),
    *(("AppArmor", name, {"appArmorProfile": {"type": name}}) for name in ("RuntimeDefault", "Unconfined")),
)


@pytest.mark.parametrize(("name", "context"), [row[1:] for row in ROWS], ids=[f"{row[0]} {row[1]}" for row in ROWS])
def test_the_rule_allows_what_baseline_allows_and_no_more(name: str, context: Any) -> None:
    """Each row of the standard's tables, and its neighbours."""
    standard = pod_security.baseline(_pod({"securityContext": context}))
    fragment = {"containers": [{"name": "train", "securityContext": context}]}
    assert ("FTC546" in _codes(fragment)) == bool(standard), name


@pytest.mark.parametrize("name", SYSCTLS)
def test_the_rule_allows_the_sysctls_that_baseline_allows(name: str) -> None:
    context = {"sysctls": [{"name": name, "value": "1"}]}
    standard = pod_security.baseline({"spec": {"securityContext": context, "containers": []}})
    assert ("FTC546" in _codes({"securityContext": context})) == bool(standard)


def _codes(fragment: Any) -> set[str]:
    text = yaml.safe_dump(fragment, default_flow_style=True, width=10000).strip()
    return {diagnostic.code for diagnostic in compile_job(Request((f"pod.spec={text}",))).diagnostics}


# PodSpec.volumes of Kubernetes 1.32: the kinds that `restricted` allows, and the others.
VOLUMES: tuple[tuple[str, Any], ...] = (
    ("configMap", {"name": "a"}),
    ("csi", {"driver": "a.example.com"}),
    ("downwardAPI", {"items": []}),
    ("emptyDir", {}),
    ("persistentVolumeClaim", {"claimName": "a"}),
    ("projected", {"sources": []}),
    ("secret", {"secretName": "a"}),
    ("nfs", {"server": "a", "path": "/a"}),
    ("iscsi", {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:a", "lun": 0}),
    ("cephfs", {"monitors": ["a"]}),
    ("hostPath", {"path": "/a"}),
)


@pytest.mark.parametrize(("kind", "source"), VOLUMES, ids=[row[0] for row in VOLUMES])
def test_the_rule_allows_the_volumes_that_restricted_allows(kind: str, source: Any) -> None:
    volume = {"name": "own", kind: source}
    standard = "Volume Types" in pod_security.restricted(_pod({"securityContext": PLAIN}, volumes=[volume]))
    text = yaml.safe_dump({"volumes": [volume]}, default_flow_style=True, width=10000).strip()
    found = compile_job(Request((f"pod.spec={text}", RESTRICTED))).diagnostics
    assert ("FTC545" in {diagnostic.code for diagnostic in found}) == standard, found
