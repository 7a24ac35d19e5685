"""The schema and the types accept the same values."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ftc.compose import Composed
from ftc.spec import schema
from ftc.spec.job import JobSpec
from ftc.validate import validate
from unit.compiling import ROOT, document, found

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIOS = sorted((ROOT / "golden" / "scenarios").glob("*/case.yaml"))
# Together they cover every kind of every union.
BASES = (
    (),
    ("launcher=accelerate", "engine=fsdp2", "devices=2", "source@model.source=modelscope", "tracking=tensorboard"),
    ("launcher=torchrun", "engine=deepspeed-z3", "storage=per-pod", "model.source.token={secret: s}"),
    (
        *("launcher=command", "launcher.command=[a]", "storage=job-lifetime", "hardware=cpu"),
        *("publish=none", "cluster.ca_bundle={config_map: c}"),
    ),
    (
        *("source@model.source=git", "model.source.url=u", "model.source.credentials={secret: s}"),
        *("source@dataset.source=path", "dataset.source.path=/d", "tracking=mlflow", "tracking.mlflow.uri=https://u"),
        *("publish=git", "publish.url=u", "hardware=alauda-vgpu", "name=n", "namespace=m", "setup=[[a]]"),
        *("labels={a: b}", "annotations={a: b}", "ttl_seconds_after_finished=1", "env={A: b}"),
    ),
)


@cache
def base(overrides: tuple[str, ...]) -> Any:
    return document("spec.yaml", *overrides)


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "schemas" / "spec.schema.json").read_text()))


def accepted_by_validation(value: Any) -> bool:
    return validate(Composed(data=value, choices={})) == ()


def accepted_by_the_types(value: Any) -> bool:
    try:
        msgspec.convert(value, JobSpec)
    except msgspec.ValidationError:
        return False
    return True


def test_the_committed_schema_is_current() -> None:
    assert (ROOT / "schemas" / "spec.schema.json").read_text() == schema.text(), "python -m ftc.spec.schema prints it"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema.make())


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda file: file.parent.name)
def test_every_scenario_is_valid(case: Any) -> None:
    spec = yaml.safe_load((case.parent / "spec.yaml").read_text())
    assert list(validator().iter_errors(spec)) == []
    assert accepted_by_the_types(spec)


def test_the_schema_is_closed_but_for_the_maps_that_are_someone_elses() -> None:
    definitions = schema.make()["$defs"]
    structs = {name: d for name, d in definitions.items() if "properties" in d and "allOf" not in d}
    assert "JobSpec" in structs
    assert [name for name, d in structs.items() if d.get("additionalProperties") is not False] == []


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every key path of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in paths(child, (*path, key)))]


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 65536, 1024, 2**31, 2**63, 1.0, 1.5, -0.5, 1e300),
        *("", " ", "a", "A", "a-b", "a.b", "-a", "a-", "a/b", "/a", "/a/", "/", "//", "a\n", "/a\n", "\n", "é", "中"),
        *("1", "1.2", "1.2.3", "1.12", "1.12\n", "10Gi", "5GB", "0.5", "x" * 63, "x" * 64, "x" * 253, "x" * 254),
        *("MULTI_GPU", "sft", "lora", "fixed", "git", "none", "ddp", "command", "claim", "kind", "ReadWriteMany"),
        *("example.com/x", "Example.com/x", "a b", "a\tb", "a\u2028", "a,b", "٣", "1.٣", "a/b/c"),
        *([], ["a"], [""], [1], [[]], [["a"]], {}, {"a": "b"}, {"a": 1}, {"": ""}, {"kind": "git"}, {"A-B": "c"}),
        *({"kind": "ddp"}, {"kind": "x"}, {"A\n": "b"}, {"a" * 64: "b"}, {"x.y/z": "b"}, {"secret": "s"}),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    value = copy.deepcopy(base(draw(st.sampled_from(BASES))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([path for path in paths(value) if path]))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        action = draw(st.sampled_from(["replace", "delete", "add"]))
        if action == "replace":
            parent[path[-1]] = draw(ODD)
        elif action == "delete":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(["extra", "kind", "name", "path", "", "a\n"]))] = draw(ODD)
    return value


@given(mutated())
def test_types_and_schema_agree_on_what_is_a_spec(value: Any) -> None:
    told = validate(Composed(data=value, choices={}))
    assert accepted_by_the_types(value) == (told == ()), told


TELLING: tuple[Any, ...] = (None, True, 1.0, -1, 2**63, "", "a\n", "/", "x" * 64, [], {}, {"a": 1})


@pytest.mark.parametrize("overrides", BASES)
def test_types_and_schema_agree_on_telling_values_of_every_key(overrides: tuple[str, ...]) -> None:
    whole = base(overrides)
    before = {path for earlier in BASES[: BASES.index(overrides)] for path in paths(base(earlier))}
    different = []
    for path in (path for path in paths(whole) if path and path not in before):
        for value in TELLING:
            changed = copy.deepcopy(whole)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
            if accepted_by_the_types(changed) != accepted_by_validation(changed):
                different.append((path, value))
    assert different == []


@pytest.mark.parametrize(
    "key", ["model.source.endpoint=", "cluster.hub_endpoint=", "tracking=mlflow tracking.mlflow.uri="]
)
def test_a_server_is_named_with_its_scheme(key: str) -> None:
    wrong, right = f"{key}mirror.example:5000".split(), f"{key}https://mirror.example:5000".split()
    assert "FTC012" in {one.code for one in found(*wrong)}
    assert "FTC012" not in {one.code for one in found(*right)}


def properties(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All properties that a schema defines, by key; those of a condition only compare."""
    if isinstance(value, dict):
        yield from value.get("properties", {}).items()
        yield from (found for key, one in value.items() if key != "if" for found in properties(one))
    elif isinstance(value, list):
        yield from (found for one in value for found in properties(one))


def test_every_key_is_described_in_a_sentence() -> None:
    described = list(properties(schema.spec_schema()))
    assert len(described) > 280
    assert [key for key, one in described if not re.fullmatch(r"[A-Z`a-z].{12,}\.", one.get("description", ""))] == []


def test_an_error_names_the_values_that_a_key_accepts_not_its_meaning() -> None:
    wrong = found("storage.workspace.mount_path=work")[-1]
    assert wrong.help == "An absolute path in the pod, not / itself, without '..'."
