"""Which values differ between two objects, and at which path."""

from __future__ import annotations

from typing import Any

import pytest

from ftc.diff.changes import differences, written
from ftc.explain.artifact import ABSENT


def told(before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
    return [(written(one.address), one.kind.value, one.before, one.after) for one in differences(before, after)]


def resources(**limits: Any) -> dict[str, Any]:
    return {"containers": [{"name": "train", "resources": {"limits": limits}}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1Gi", "1024Mi"),
        ("1000m", 1),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1G", "1000M"),
        ("1e3", "1k"),
        ("64Gi", "64Gi"),
    ],
)
def test_equal_quantities_do_not_differ(one: Any, other: Any) -> None:
    assert told(resources(memory=one), resources(memory=other)) == []
    assert told({"emptyDir": {"sizeLimit": one}}, {"emptyDir": {"sizeLimit": other}}) == []


def test_different_quantities_are_reported_at_their_path() -> None:
    assert told(resources(memory="1Gi"), resources(memory="1G")) == [
        ("containers[train].resources.limits.memory", "changed", "1Gi", "1G")
    ]
    assert told({"value": "1Gi"}, {"value": "1024Mi"}) == [("value", "changed", "1Gi", "1024Mi")]
    assert told(resources(memory="many"), resources(memory="more")) != []


def test_booleans_and_strings_are_not_numbers() -> None:
    assert told({"a": True}, {"a": 1}) == [("a", "changed", True, 1)]
    assert told({"value": "1"}, {"value": 1}) == [("value", "changed", "1", 1)]


def test_named_items_are_matched_by_name_in_any_order() -> None:
    before = {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {"medium": "Memory"}}]}
    after = {"volumes": [{"name": "c"}, {"name": "b", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}
    assert told(before, after) == [
        ("volumes[c]", "added", ABSENT, {"name": "c"}),
        ("volumes[b].emptyDir.medium", "removed", "Memory", ABSENT),
    ]


@pytest.mark.parametrize(
    ("field", "items", "path"),
    [
        ("volumeMounts", [{"name": "x", "mountPath": "/a"}, {"name": "x", "mountPath": "/b"}], "volumeMounts[/b].w"),
        ("tolerations", [{"key": "a"}, {"key": "b", "effect": "NoSchedule"}], "tolerations[b/NoSchedule].w"),
        ("ports", [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}], "ports[2/UDP].w"),
        ("tasks", [{"name": "a"}, {"name": "b"}], "tasks[b].w"),
    ],
)
def test_items_are_matched_by_the_merge_keys_of_kubernetes(field: str, items: list[Any], path: str) -> None:
    changed = [{**items[1], "w": 1}, items[0]]
    assert [one[0] for one in told({field: items}, {field: changed})] == [path]


def test_the_order_of_init_containers_matters_but_not_that_of_volumes() -> None:
    a, b = {"name": "a"}, {"name": "b"}
    assert told({"initContainers": [a, b]}, {"initContainers": [b, a]}) == [
        ("initContainers", "moved", ["a", "b"], ["b", "a"])
    ]
    assert told({"volumes": [a, b]}, {"volumes": [b, a]}) == []


def test_the_order_of_variables_matters_if_one_refers_to_another() -> None:
    a, b, c = {"name": "A", "value": "x"}, {"name": "B", "value": "1"}, {"name": "C", "value": "$(A)/c"}
    assert told({"env": [a, b]}, {"env": [b, a]}) == []
    assert told({"env": [a, b, c]}, {"env": [b, a, c]}) == []
    assert told({"env": [a, b, c]}, {"env": [c, b, a]}) == [("env", "moved", ["A", "C"], ["C", "A"])]
    assert told({"env": [a, b]}, {"env": [a, {"name": "D"}, b]}) == [("env[D]", "added", ABSENT, {"name": "D"})]


def test_a_list_without_names_is_compared_by_index_or_as_a_whole() -> None:
    assert told({"args": ["a", "b"]}, {"args": ["a", "c"]}) == [("args[1]", "changed", "b", "c")]
    assert told({"args": ["a"]}, {"args": ["a", "b"]}) == [("args", "changed", ["a"], ["a", "b"])]


def test_an_embedded_file_is_compared_by_content() -> None:
    before = {"annotations": {"ftc.dev/train.yaml": "# one\nlearning_rate: 1.0e-4\nbf16: true\n"}}
    after = {"annotations": {"ftc.dev/train.yaml": "bf16: true\nlearning_rate: 2.0e-4\n"}}
    assert told(before, after) == [("train.yaml: learning_rate", "changed", 1.0e-4, 2.0e-4)]
    assert told(before, {"annotations": {"ftc.dev/train.yaml": "learning_rate: 0.0001\nbf16: true\n"}}) == []
    assert told({"data": {"c.json": '{"a": 1}'}}, {"data": {"c.json": '{"a": 2}'}}) == [
        ('data["c.json"].a', "changed", 1, 2)
    ]


def test_a_script_is_compared_as_text() -> None:
    path = {"annotations": {"ftc.dev/train.sh": "a\nb\n"}}
    assert told(path, {"annotations": {"ftc.dev/train.sh": "a\nc\n"}}) == [("train.sh", "changed", "a\nb\n", "a\nc\n")]


def test_equal_objects_do_not_differ_and_differences_are_symmetric() -> None:
    before, after = resources(cpu="1", memory="1Gi"), resources(cpu="2", gpu="1")
    assert told(before, before) == []
    forth, back = told(before, after), told(after, before)
    assert sorted((path, str(old), str(new)) for path, _, old, new in forth) == sorted(
        (path, str(new), str(old)) for path, _, old, new in back
    )
