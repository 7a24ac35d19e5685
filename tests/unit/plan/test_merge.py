"""A fragment is merged into the pod like a Kubernetes patch: keyed lists item by item."""

from __future__ import annotations

import copy
import json
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest

from ftc.plan.merge import MERGE_KEYS, Fragment, Merged, laid_over, merge, whole
from unit.compiling import COMMAND, ROOT, pod, template, trainer, variables

if TYPE_CHECKING:
    from collections.abc import Iterator


def merge_keys(schema: Any) -> Iterator[tuple[str, str]]:
    """Each list that Kubernetes' schema merges by a key, and the key."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            if isinstance(inner, dict) and "x-kubernetes-patch-merge-key" in inner:
                yield name, inner["x-kubernetes-patch-merge-key"]
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from merge_keys(inner)


@pytest.mark.parametrize("file", sorted((ROOT / "schemas" / "kubernetes").glob("*.json")), ids=lambda file: file.stem)
def test_every_list_that_kubernetes_merges_by_a_key_is_merged_by_it(file: Any) -> None:
    definitions = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    pods = {name: schema for name, schema in definitions.items() if ".core.v1." in name and "Service" not in name}
    found = set(merge_keys(pods))
    assert ("containers", "name") in found
    assert [(name, key) for name, key in found if key not in MERGE_KEYS.get(name, ())] == []


def test_mappings_merge_and_the_overlay_wins() -> None:
    base = {"spec": {"hostNetwork": False, "nodeSelector": {"a": "1", "b": "2"}}}
    overlay = {"spec": {"nodeSelector": {"b": "3", "c": "4"}}}
    assert merge(base, overlay) == {"spec": {"hostNetwork": False, "nodeSelector": {"a": "1", "b": "3", "c": "4"}}}


def test_neither_side_is_changed() -> None:
    base = {"spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}]}}
    overlay = {"spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}]}]}}
    before = copy.deepcopy((base, overlay))
    merge(base, overlay)
    assert (base, overlay) == before


def test_a_container_of_the_same_name_is_extended_and_another_is_added() -> None:
    base = {"containers": [{"name": "train", "image": "a", "command": ["x"]}]}
    overlay = {"containers": [{"name": "side", "image": "b"}, {"name": "train", "workingDir": "/w"}]}
    assert merge(base, overlay)["containers"] == [
        {"name": "train", "image": "a", "command": ["x"], "workingDir": "/w"},
        {"name": "side", "image": "b"},
    ]


def test_a_list_without_a_key_is_replaced() -> None:
    assert merge({"command": ["a", "b"], "args": ["c"]}, {"command": ["d"]}) == {"command": ["d"], "args": ["c"]}


def test_a_variable_is_replaced_and_keeps_its_place() -> None:
    base = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    overlay = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "4"}]}
    assert merge(base, overlay)["env"] == [
        {"name": "A", "value": "4"},
        {"name": "B", "value": "2"},
        {"name": "C", "value": "3"},
    ]


def test_a_variable_has_one_source() -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    value, reference = {"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "valueFrom": secret}]}
    assert merge(value, reference) == reference
    assert merge(reference, value) == value


def test_a_variables_reference_of_another_kind_takes_the_place_of_the_old_one() -> None:
    field = {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}
    secret = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    assert merge(field, secret) == secret


def test_a_volume_has_one_source() -> None:
    claim = {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "c"}}]}
    for source in ("emptyDir", "hostPath", "nfs", "csi", "configMap", "secret", "projected", "image", "ephemeral"):
        other = {"volumes": [{"name": "w", source: {"x": "y"}}]}
        assert merge(claim, other) == other
        assert merge(other, claim) == claim


def test_a_volume_of_the_same_kind_is_extended() -> None:
    base = {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]}
    overlay = {"volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "16Gi"}}]}
    merged = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}]
    assert merge(base, overlay)["volumes"] == merged


def test_mounts_are_identified_by_their_path() -> None:
    base = {"volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    overlay = {"volumeMounts": [{"name": "w", "mountPath": "/v"}, {"name": "x", "mountPath": "/w"}]}
    assert merge(base, overlay)["volumeMounts"] == [
        {"name": "x", "mountPath": "/w"},
        {"name": "w", "mountPath": "/v"},
    ]


def test_two_tolerations_of_one_key_stay_two() -> None:
    both = [{"key": "npu", "effect": "NoSchedule"}, {"key": "npu", "effect": "NoExecute"}]
    base = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}
    assert merge(base, {"tolerations": both})["tolerations"] == [{"key": "gpu", "operator": "Exists"}, *both]


def test_a_port_of_two_protocols_stays_two() -> None:
    both = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    base = {"ports": [{"containerPort": 80}]}
    assert merge(base, {"ports": both})["ports"] == [{"containerPort": 80}, *both]


# Kubernetes API: ContainerPort.protocol is TCP, Toleration.operator is Equal, and its value and effect are empty.
@pytest.mark.parametrize(
    ("field", "base", "overlay"),
    [
        ("ports", {"containerPort": 80}, {"containerPort": 80, "protocol": "TCP", "name": "web"}),
        ("ports", {"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "name": "web"}),
        ("tolerations", {"key": "a", "value": "b"}, {"key": "a", "operator": "Equal", "value": "b"}),
        ("tolerations", {"key": "a", "operator": "Exists"}, {"key": "a", "operator": "Exists", "effect": ""}),
        ("tolerations", {"operator": "Exists"}, {"key": "", "operator": "Exists", "value": ""}),
    ],
)
def test_a_key_that_is_left_out_is_what_the_server_takes_it_for(field: str, base: Any, overlay: Any) -> None:
    assert merge({field: [base]}, {field: [overlay]}) == {field: [{**base, **overlay}]}


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("ports", {"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}),
        ("tolerations", {"key": "a"}, {"key": "a", "operator": "Exists"}),
        ("tolerations", {"key": "a", "effect": "NoSchedule"}, {"key": "a"}),
    ],
)
def test_another_value_than_the_servers_is_another_item(field: str, one: Any, other: Any) -> None:
    assert merge({field: [one]}, {field: [other]}) == {field: [one, other]}


FRAGMENTS = (
    "cluster.pod={spec: {tolerations: [{key: a, operator: Exists}], nodeSelector: {zone: one, pool: x}}}",
    "hardware.pod={spec: {tolerations: [{key: b, operator: Exists}], nodeSelector: {zone: two}}}",
    "pod={spec: {nodeSelector: {zone: three}, serviceAccountName: tuner}, metadata: {labels: {team: t}}}",
)


def test_the_users_fragment_wins_over_the_hardwares_and_that_over_the_clusters() -> None:
    spec = pod(*FRAGMENTS)
    assert spec["nodeSelector"] == {"zone": "three", "pool": "x"}
    assert [t["key"] for t in spec["tolerations"]] == ["a", "b"]
    assert pod(*FRAGMENTS[:2])["nodeSelector"]["zone"] == "two"


def test_a_fragment_adds_to_what_ftc_makes() -> None:
    made = template(*FRAGMENTS)
    assert made["metadata"]["labels"]["team"] == "t"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ftc"
    assert made["spec"]["serviceAccountName"] == "tuner"
    assert made["spec"]["enableServiceLinks"] is False


def test_a_fragment_can_change_the_training_container() -> None:
    fragment = (
        "pod={spec: {containers: [{name: train, securityContext: {runAsUser: 1000}, env: [{name: A, value: b}]},"
        " {name: side, image: 'busybox:1', command: [sleep, 1d]}], volumes: [{name: extra, emptyDir: {}}]}}"
    )
    container = trainer(fragment)
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "runAsUser": 1000}
    assert variables(container)["A"] == "b"
    assert variables(container)["NNODES"] == "1"
    spec = pod(fragment)
    assert [c["name"] for c in spec["containers"]] == ["train", "side"]
    assert {v["name"] for v in spec["volumes"]} >= {"extra", "ftc", "shm", "workspace"}


def test_what_a_device_and_a_network_need_of_the_kernel_adds_up() -> None:
    context = trainer("hardware=gaudi2", *COMMAND, "network=rdma")["securityContext"]
    assert context["capabilities"]["add"] == ["SYS_NICE", "IPC_LOCK"]


def recorded(*contents: Any) -> Merged:
    """Fragments a, b, c, … merged in order, each at the key of its name."""
    parts = [whole(Fragment(name, content, (name,))) for name, content in zip("abcd", contents, strict=False)]
    return reduce(laid_over, parts)


def setter(merged: Merged, *path: str | int) -> Any:
    return merged.record.at(path).source.key


def test_the_record_names_the_last_fragment_that_set_a_field() -> None:
    merged = recorded({"x": {"y": 1, "z": 1}, "w": 1}, {"x": {"y": 2}}, {"x": {"y": 3, "new": {"deep": 3}}})
    assert merged.content == {"x": {"y": 3, "z": 1, "new": {"deep": 3}}, "w": 1}
    assert setter(merged, "x", "y") == ("c", "x", "y")
    assert setter(merged, "x", "z") == ("a", "x", "z")
    assert setter(merged, "x", "new", "deep") == ("c", "x", "new", "deep")
    assert setter(merged, "w") == ("a", "w")


def test_the_record_of_an_item_has_its_place_in_its_own_fragment() -> None:
    first = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]}
    merged = recorded(first, {"env": [{"name": "C", "value": "2"}, {"name": "B", "value": "2"}]})
    assert [one["name"] for one in merged.content["env"]] == ["A", "B", "C"]
    assert setter(merged, "env", 0, "value") == ("a", "env", 0, "value")
    assert setter(merged, "env", 1, "value") == ("b", "env", 1, "value")
    assert setter(merged, "env", 2, "value") == ("b", "env", 0, "value")


def test_what_a_fragment_replaces_whole_keeps_no_record_of_what_was_there() -> None:
    merged = recorded({"x": {"command": ["a"]}}, {"x": {"command": ["b", "c"]}})
    assert setter(merged, "x", "command", 0) == ("b", "x", "command", 0)
    assert [source.fragment for source in merged.at(("x", "command")).sources()] == ["b"]


def test_a_set_of_two_fragments_has_the_items_of_both() -> None:
    merged = recorded({"c": {"add": ["A", "B"]}}, {"c": {"add": ["B", "C"]}})
    assert merged.content == {"c": {"add": ["A", "B", "C"]}}
    assert setter(merged, "c", "add", 1) == ("a", "c", "add", 1)
    assert setter(merged, "c", "add", 2) == ("b", "c", "add", 1)


def test_the_record_of_a_replaced_source_names_the_new_source() -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    merged = recorded({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "valueFrom": secret}]})
    assert merged.content == {"env": [{"name": "A", "valueFrom": secret}]}
    assert setter(merged, "env", 0, "value") == ("b", "env", 0, "valueFrom")


def test_a_mapping_has_the_sources_of_its_fields() -> None:
    merged = recorded({"s": {"a": 1, "b": 1}}, {"s": {"b": 2}}, {"other": 1})
    assert [source.key for source in merged.at(("s",)).sources()] == [("a", "s", "a"), ("b", "s", "b")]
