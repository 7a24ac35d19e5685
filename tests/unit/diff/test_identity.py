"""Objects are identified as in Kubernetes, and none is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.compiling import Said, ftc

JOB = "apiVersion: {version}\nkind: Job\nmetadata: {{{metadata}}}\nspec: {{parallelism: {number}}}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def job(metadata: str, number: int, version: str = "batch/v1") -> str:
    return JOB.format(metadata=metadata, number=number, version=version)


def diff(before: list[str], after: list[str], *options: str) -> Said:
    Path("before.yaml").write_text("---\n".join(before))
    Path("after.yaml").write_text("---\n".join(after))
    return ftc("diff", *options, "before.yaml", "after.yaml")


def changes(before: list[str], after: list[str]) -> list[tuple[str, str, Any, Any]]:
    (run,) = json.loads(diff(before, after, "--format", "json").stdout)
    return [(one["object"], one["path"], one.get("before"), one.get("after")) for one in run["changes"]]


def test_one_name_in_two_namespaces_is_two_objects() -> None:
    sides = [[job("name: a, namespace: prod", n), job("name: a, namespace: dev", 1)] for n in (1, 99)]
    assert changes(*sides) == [("Job.batch/a in prod", "spec.parallelism", 1, 99)]
    assert changes(*[side[::-1] for side in sides]) == [("Job.batch/a in prod", "spec.parallelism", 1, 99)]


def test_similar_jobs_of_one_generate_name_are_paired() -> None:
    one, two, three = (job(f"generateName: a-, labels: {{of: n{n}}}", n) for n in (1, 2, 3))
    changed = three.replace("parallelism: 3", "parallelism: 99")
    for after in ([one, two, changed], [changed, two, one]):
        ((label, path, *values),) = changes([one, two, three], after)
        assert label.startswith("Job.batch/a- #")
        assert (path, values) == ("spec.parallelism", [3, 99])


def test_an_additional_job_of_one_generate_name_is_not_dropped() -> None:
    one, two = job("generateName: a-", 1), job("generateName: a-", 2)
    assert "+ Job.batch/a- #2" in diff([one], [one, two]).stdout
    assert "- Job.batch/a- #2" in diff([two, one], [one]).stdout
    many = [job("generateName: a-", n) for n in range(100)]
    assert len(changes(many, [job("generateName: a-", n + 1000) for n in range(101)])) == 101


def test_another_version_of_the_same_group_is_a_change() -> None:
    before, after = job("name: a", 1, "batch/v1beta1"), job("name: a", 1, "batch/v1")
    assert changes([before], [after]) == [("Job.batch/a", "apiVersion", "batch/v1beta1", "batch/v1")]


def test_another_group_is_another_object() -> None:
    said = diff([job("name: a", 1), job("name: b", 1)], [job("name: a", 1, "batch.volcano.sh/v1"), job("name: b", 1)])
    assert "- Job.batch/a\n" in said.stdout
    assert "+ Job.batch.volcano.sh/a\n" in said.stdout


def test_an_object_moved_to_another_namespace_is_the_same() -> None:
    others = [job("name: b, namespace: x", 1)]
    found = changes([job("name: a", 1), *others], [job("name: a, namespace: x", 2), *others])
    assert {(path, after) for _, path, _, after in found} == {("metadata.namespace", "x"), ("spec.parallelism", 2)}


@pytest.mark.parametrize("kind", ["List", "JobList"])
def test_the_items_of_a_list_are_objects(kind: str) -> None:
    version = "v1" if kind == "List" else "batch/v1"
    typed = "apiVersion: batch/v1, kind: Job, " if kind == "List" else ""
    items = [f"{{{typed}metadata: {{name: {name}}}, spec: {{parallelism: {n}}}}}" for name, n in (("a", 1), ("b", 99))]
    listed = f"apiVersion: {version}\nkind: {kind}\nitems: [{', '.join(items)}]\n"
    single = [job("name: b", 1), job("name: a", 1)]
    assert changes(single, [listed]) == [("Job.batch/b", "spec.parallelism", 1, 99)]


def test_objects_without_names_are_compared() -> None:
    nameless = "apiVersion: v1\nkind: Pod\nspec: {{nodeName: {}}}\n"
    found = changes([nameless.format("a"), nameless.format("b")], [nameless.format("b"), nameless.format("c")])
    assert [(path, *values) for _, path, *values in found] == [("spec.nodeName", "a", "c")]


@pytest.mark.parametrize("metadata", ["null", "[]", "[a]", "a", "{name: [a]}", "{name: {a: b}}", "{name: 1}", "{}"])
def test_metadata_of_any_form_is_compared(metadata: str) -> None:
    text = f"apiVersion: [v1]\nkind: {{a: b}}\nmetadata: {metadata}\nspec: "
    assert [path for _, path, *_ in changes([f"{text}1\n"], [f"{text}2\n"])] == ["spec"]


def test_a_duplicate_identity_is_reported_and_both_are_compared() -> None:
    said = diff([job("name: a", 1), job("name: a", 2)], [job("name: a", 1), job("name: a", 99)])
    assert "2 → 99" in said.stdout
    rest = "has Job.batch/a more than once, but a cluster keeps one object per name"
    assert said.stderr.splitlines()[-2:] == [f"ftc: before {rest}", f"ftc: after {rest}"]


def test_documents_that_are_not_objects_are_all_compared() -> None:
    assert "1 → 99" in diff(["a: 1\n", "b: 1\n"], ["a: 1\n", "b: 99\n"]).stdout


@pytest.mark.parametrize("field", ["env", "tolerations", "ports", "volumes"])
@pytest.mark.parametrize("name", ["[a]", "{a: b}", "null", "1"])
def test_items_named_by_anything_are_compared(field: str, name: str) -> None:
    item = f"{{name: {name}, key: {name}, containerPort: {name}, w: %d}}"
    texts = [f"{job('name: a', 1)}extra: {{{field}: [{item % n}, {{name: b}}]}}\n" for n in (1, 2)]
    assert "1 → 2" in diff([texts[0]], [texts[1]]).stdout


@pytest.mark.parametrize("size", ["1.2.3", "5Foo", "1e999999999Gi", "many", ".nan", "'9' "])
def test_a_malformed_quantity_is_compared_literally(size: str) -> None:
    texts = [f"{job('name: a', 1)}sizeLimit: {one}\n" for one in (size, "1Gi")]
    assert [path for _, path, *_ in changes([texts[0]], [texts[1]])] == ["sizeLimit"]
    assert diff([texts[0]], [texts[0]]).stderr == "ftc: nothing differs\n"


def test_many_items_are_compared_fast() -> None:
    items = ", ".join(f"{{name: a{n}}}" for n in range(20_000))
    texts = [f"{job('name: a', number)}env: [{items}]\n" for number in (1, 2)]
    assert changes([texts[0]], [texts[1]]) == [("Job.batch/a", "spec.parallelism", 1, 2)]
