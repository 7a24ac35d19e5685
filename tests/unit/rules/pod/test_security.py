"""Violations of a Pod Security Standard are reported at the fragment or volume that causes them."""

from __future__ import annotations

import pytest

from unit.compiling import ftc
from unit.rules.pairs import Pair, pages, passes, refuses

R = "cluster.security=restricted"


def train(context: str) -> str:
    return f"'pod.spec.containers=[{{name: train, securityContext: {{{context}}}}}]'"


CONTEXT = "pod.spec.containers.0.securityContext"
PAIRS = (
    Pair(
        "FTC545",
        f"{R} cluster.pod.spec.hostPID=true",
        f"{R} cluster.pod.spec.hostPID=false",
        "cluster.pod.spec.hostPID",
    ),
    # The last fragment wins.
    Pair(
        "FTC545",
        f"{R} pod.spec.hostPID=true cluster.pod.spec.hostPID=false",
        f"{R} cluster.pod.spec.hostPID=true pod.spec.hostPID=false",
        "pod.spec.hostPID",
    ),
    Pair(
        "FTC545",
        f"{R} {train('capabilities: {add: [NET_BIND_SERVICE, SYS_PTRACE]}')}",
        f"{R} {train('capabilities: {add: [NET_BIND_SERVICE]}')}",
        f"{CONTEXT}.capabilities.add.1",
    ),
    Pair(
        "FTC545",
        f"{R} {train('runAsUser: 0')}".replace("runAsUser", "runAsNonRoot: false, runAsUser"),
        f"{R} {train('runAsUser: 7')}",
        CONTEXT,
    ),
    Pair(
        "FTC545",
        f"{R} {train('allowPrivilegeEscalation: true')}",
        f"{R} {train('allowPrivilegeEscalation: false')}",
        f"{CONTEXT}.allowPrivilegeEscalation",
    ),
    Pair("FTC545", f"{R} storage=nfs", f"{R} storage=shared", "storage.workspace.kind"),
    Pair("FTC545", f"{R} storage=node-cache", f"{R} storage=local-volume-cache", "storage.cache.kind"),
    Pair(
        "FTC545",
        f"{R} storage=several-claims 'storage.more.workspace={{kind: nfs, mount_path: /m, server: s, path: /p}}'",
        f"{R} storage=several-claims",
        "storage.more.workspace.kind",
    ),
    Pair(
        "FTC545",
        f"{R} 'pod.metadata.annotations={{container.apparmor.security.beta.kubernetes.io/train: unconfined}}'",
        f"{R} 'pod.metadata.annotations={{container.apparmor.security.beta.kubernetes.io/train: runtime/default}}'",
        "pod.metadata.annotations",
    ),
    Pair(
        "FTC545",
        f"{R} hardware=amd image=a:rocm-1",
        f"{R} hardware=amd image=a:rocm-1 {train('seccompProfile: {type: RuntimeDefault}')}",
        "hardware.pod.spec.containers.0.securityContext.seccompProfile",
    ),
    Pair("FTC546", train("privileged: true"), train("privileged: false"), f"{CONTEXT}.privileged"),
    Pair("FTC546", "network=rdma", "network=pod", "network.pod.spec.containers.0.securityContext.capabilities"),
    Pair("FTC546", "storage=node-cache", "storage=nfs", "storage.cache.kind"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_violation_is_reported_at_its_origin(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_allowed_setting_passes(pair: Pair) -> None:
    passes(pair)


def test_a_privilege_for_the_network_is_a_note_under_baseline() -> None:
    said = ftc("compile", "network=rdma")
    assert said.exit_code == 0
    assert "note[FTC546 violates-baseline-pod-security]" in said.stderr


@pytest.mark.parametrize(("target", "noted"), [("volcano", True), ("job", True), ("image", False), ("storage", False)])
def test_only_targets_with_a_pod_get_the_note(target: str, noted: bool) -> None:  # noqa: FBT001
    said = ftc("compile", "-t", target, "network=rdma")
    assert said.exit_code == 0
    assert ("note[FTC546 violates-baseline-pod-security]" in said.stderr) == noted
