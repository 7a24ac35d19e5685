"""Each field of an emitted pod names the fragment that set it: ftc's, a target's, or one of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftc.targets import POD_TARGETS
from unit.compiling import COMMAND, compiled

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath
    from ftc.plan.merge import Merged


def pod(target: str, *overrides: str) -> Merged:
    run = compiled(*overrides).run
    assert run is not None
    return POD_TARGETS[target].bind(run).pod


def container(merged: Merged, name: str) -> int:
    names = [one["name"] for one in merged.content["spec"]["containers"]]
    return names.index(name)


def item(merged: Merged, path: KeyPath, name: str) -> KeyPath:
    """The path of the item of a name."""
    return (*path, [one["name"] for one in merged.at(path).content].index(name))


@pytest.mark.parametrize("target", list(POD_TARGETS))
def test_the_plan_the_target_and_the_groups_have_their_own(target: str) -> None:
    merged = pod(target, "network=host", "cluster.pod={spec: {nodeSelector: {a: b}}}", "pod={spec: {hostPID: true}}")
    env = ("spec", "containers", container(merged, "train"), "env")

    def source(*path: str | int) -> Any:
        return merged.record.at(path).source

    assert source("spec", "hostPID") == ("pod", ("pod", "spec", "hostPID"))
    assert source("spec", "nodeSelector", "a") == ("cluster.pod", ("cluster", "pod", "spec", "nodeSelector", "a"))
    assert source("spec", "hostNetwork") == ("network.pod", ("network", "pod", "spec", "hostNetwork"))
    assert source("spec", "restartPolicy") == ("plan", None)
    assert source(*item(merged, env, "JOB_NAME"), "valueFrom") == (target, None)
    assert source(*item(merged, env, "MASTER_PORT"), "value") == ("plan", None)
    assert source("metadata", "annotations", "ftc.dev/rendezvous.sh") == (target, None)


def test_volcano_resolves_names_as_it_does_because_of_the_hosts_network() -> None:
    merged = pod("volcano", *COMMAND, "pod={spec: {hostNetwork: true}}")
    assert merged.content["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert merged.record.at(("spec", "dnsPolicy")).source.key == ("pod", "spec", "hostNetwork")


def test_the_clusters_rights_are_the_plans_in_a_container_of_a_fragment_too() -> None:
    side = "pod={spec: {containers: [{name: side, image: 'a:1', securityContext: {runAsUser: 7}}]}}"
    merged = pod("volcano", *COMMAND, "cluster.security=restricted", "cluster.run_as_user=1000", side)
    where = ("spec", "containers", container(merged, "side"))
    context = merged.at((*where, "securityContext"))
    assert context.at(("runAsUser",)).record.source.key == (
        *("pod", "spec", "containers", 0, "securityContext", "runAsUser"),
    )
    assert context.record.at(("capabilities", "drop")).source.fragment == "plan"
    assert merged.record.at((*where, "image")).source.key == ("pod", "spec", "containers", 0, "image")


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ("{privileged: true}", ("privileged",)),
        ("{capabilities: {add: [CHOWN, SYS_ADMIN]}}", ("capabilities", "add", 1)),
    ],
)
def test_a_removed_right_is_recorded_with_the_right_that_removed_it(context: str, reason: KeyPath) -> None:
    merged = pod("volcano", f"pod={{spec: {{containers: [{{name: train, securityContext: {context}}}]}}}}")
    where = ("spec", "containers", container(merged, "train"), "securityContext")
    assert "allowPrivilegeEscalation" not in merged.at(where).content
    assert merged.record.at((*where, "allowPrivilegeEscalation")).source.key == (
        *("pod", "spec", "containers", 0, "securityContext"),
        *reason,
    )


@pytest.mark.parametrize("target", list(POD_TARGETS))
@pytest.mark.parametrize("overrides", [("network=rdma",), ("hardware=ascend-910b-host-mounts",), ("hardware=gaudi2",)])
def test_a_field_that_is_of_a_key_has_the_value_of_that_key(target: str, overrides: tuple[str, ...]) -> None:
    state = compiled(*overrides, *COMMAND)
    assert state.run is not None
    assert state.composed is not None
    merged = POD_TARGETS[target].bind(state.run).pod
    keyed = 0
    for path, value in leaves(merged.content):
        key = merged.record.at(path).source.key
        if key is not None and path[-1] != "dnsPolicy":
            keyed += 1
            assert at(state.composed.data, key) == value, path
    assert keyed


def leaves(value: Any, path: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [(path, value)] if pairs is None else [one for key, inner in pairs for one in leaves(inner, (*path, key))]


def at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data
