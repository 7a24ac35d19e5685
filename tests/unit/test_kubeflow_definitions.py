"""What ftc emits against the resource definitions of JobSet and of each release of Kubeflow Trainer.

The server drops a field that a definition does not have, and kubectl refuses it; then it evaluates the rules of the
definition (`x-kubernetes-validations`), here with another implementation of CEL.
"""

from __future__ import annotations

import copy
import re
import runpy
import shlex
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import celpy
import pytest
from celpy.adapter import json_to_cel

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from ftc.output_schemas import Schema
from golden import cases
from unit.compiling import ROOT
from unit.loading import load, load_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAKE = ROOT / "schemas" / "make_kubeflow.py"
CASES = sorted(file.parent for file in (ROOT / "golden" / "scenarios").glob("*/case.yaml"))
PLURALS = {"JobSet": "jobsets", "TrainingRuntime": "trainingruntimes", "TrainJob": "trainjobs"}
PLURALS |= {"InferenceService": "inferenceservices"}
SERVICES = sorted((ROOT / "golden" / "inference").glob("*.yaml"))


@cache
def definitions() -> dict[str, Any]:
    """The schemas of all releases, by project, release and plural."""
    found: dict[str, Any] = runpy.run_path(str(MAKE))["definitions"]()
    return found


def of_kind(kind: str) -> dict[str, Any]:
    return {name: schema for name, schema in definitions().items() if name.endswith(f"-{PLURALS[kind]}")}


@cache
def strict(name: str) -> Schema:
    """The definition of a release, closed."""
    return Schema(closed(definitions()[name]))


def closed(node: Any) -> Any:
    """The definition without room for unknown fields; metadata is the server's own type."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: closed(value) for key, value in node.items()}
    return {**made, "additionalProperties": False} if isinstance(made.get("properties"), dict) else made


def stored(manifest: Any) -> Any:
    """The object with the name that the server generates before it validates."""
    made = copy.deepcopy(manifest)
    if prefix := made["metadata"].pop("generateName", ""):
        made["metadata"]["name"] = f"{prefix[:58]}x7k2p"
    return made


def refused(schema: Any, value: Any) -> list[str]:
    """The messages of the rules that a new object breaks; rules on `oldSelf` are for updates."""
    return [message for rule, message in broken(schema, value) if "oldSelf" not in rule]


def broken(schema: Any, value: Any) -> Iterator[tuple[str, str]]:
    for one in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" not in one["rule"] and not holds(one["rule"], value):
            yield one["rule"], one["message"]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from broken(schema.get("properties", {}).get(key) or {}, inner)
    if isinstance(value, list):
        for inner in value:
            yield from broken(schema.get("items", {}), inner)


def holds(rule: str, value: Any) -> bool:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))
    return bool(program.evaluate({"self": json_to_cel(value)}))


def accepted(manifest: Any) -> None:
    """Every release of the definition accepts the object."""
    for name, schema in of_kind(manifest["kind"]).items():
        assert [error.message[:200] for error in strict(name).iter_errors(manifest)] == [], name
        assert refused(schema, stored(manifest)) == [], name


def test_the_schemas_are_what_the_script_makes() -> None:
    done = subprocess.run([sys.executable, MAKE, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_the_releases_that_ftc_supports() -> None:
    names = [re.fullmatch(r"(\w+)-v(\d+\.\d+)\.\d+-\w+", name) for name in definitions()]
    found = {(name[1], name[2]) for name in names if name}
    assert found == {("jobset", "0.12"), ("kserve", "0.20"), *(("trainer", f"2.{minor}") for minor in range(4))}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("target", "kinds"), [("jobset", ["JobSet"]), ("trainjob", ["TrainingRuntime", "TrainJob"])])
def test_every_release_accepts_a_scenario(case: Path, target: str, kinds: list[str]) -> None:
    manifests = load_all((case / f"{target}.yaml").read_text(encoding="utf-8"))
    assert [manifest["kind"] for manifest in manifests] == kinds
    for manifest in manifests:
        accepted(manifest)


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.stem)
def test_kserve_accepts_an_inference_service(file: Path) -> None:
    accepted(load(file.read_text(encoding="utf-8")))


def test_a_training_runtime_without_its_job_is_one_jobset() -> None:
    for case in CASES:
        runtime, _ = load_all((case / "trainjob.yaml").read_text(encoding="utf-8"))
        spec = runtime["spec"]["template"]["spec"]
        accepted({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {}, "spec": spec})


def test_a_pod_group_of_volcano_is_refused_only_by_trainer_2_0() -> None:
    made = compile_job(Request(("nodes=2", "cluster.gang_jobs=true"), targets=("trainjob",))).outputs["trainjob"]
    runtime, _ = load_all(made)
    unknown = [name for name in of_kind("TrainingRuntime") if not strict(name).is_valid(runtime)]
    assert unknown == ["trainer-v2.0.1-trainingruntimes"]


OPTIONS = sorted(cases.OPTIONS.glob("*/*.diff"))


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=() if index % 9 == 0 else pytest.mark.slow) for index, file in enumerate(OPTIONS)],
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
@pytest.mark.parametrize("target", ["jobset", "trainjob"])
def test_every_release_accepts_an_option(file: Path, target: str) -> None:
    state = compile_job(Request(tuple(shlex.split(cases.command_of(file))), targets=(target,)))
    for manifest in load_all(state.outputs.get(target, "")):
        accepted(manifest)
    assert has_errors(state.diagnostics) == (target not in state.outputs)


# Each breaks a rule that a new object must keep, from some release on.
BROKEN = {
    "metadata.name must match RFC 1035 DNS label format": ("trainer-v2.1.0-trainjobs", {"metadata": {"name": "a.b"}}),
    "metadata.name must be no more than 63 characters": ("trainer-v2.3.0-trainjobs", {"metadata": {"name": "a" * 64}}),
    "Only one of the policy can be configured": (
        "trainer-v2.0.1-trainingruntimes",
        {"spec": {"mlPolicy": {"torch": {}, "mpi": {}}}},
    ),
    "StartupPolicy and DependsOn APIs are mutually exclusive": (
        "jobset-v0.12.0-jobsets",
        {"spec": {"startupPolicy": {"startupPolicyOrder": "InOrder"}, "replicatedJobs": [{"dependsOn": []}]}},
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_the_rules_are_evaluated(message: str) -> None:
    name, value = BROKEN[message]
    assert message in refused(definitions()[name], value)
