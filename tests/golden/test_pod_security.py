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
    **{f"hardware/{name}": _DRIVER for name in ("hygon-dcu", "hygon-dcu-hami", "hygon-z100")},
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
        f"scenarios/{file.parent.name}": tuple(yaml.safe_load(file.read_text())["overrides"])
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
        for document in yaml.safe_load_all(state.outputs.get(target, "")):
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


@pytest.mark.parametrize(("control", "fragment"), FRAGMENTS)
def test_the_rule_finds_everything_that_the_standard_forbids(control: str, fragment: Any) -> None:
    """Each in a fragment of the user, including what no golden has."""
    overrides = (f"pod.spec={yaml.safe_dump(fragment, default_flow_style=True, width=10000).strip()}",)
    for security, code in (("baseline", "FTC546"), ("restricted", "FTC545")):
        found = compile_job(Request((*overrides, f"cluster.security={security}"))).diagnostics
        told = [diagnostic for diagnostic in found if diagnostic.code == code]
        assert told, (control, found)
        assert all(diagnostic.path[:2] == ("pod", "spec") for diagnostic in told), told
