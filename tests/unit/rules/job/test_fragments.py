"""A fragment of the job's object adds fields, and leaves those of ftc alone."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from unit.compiling import ftc, without_origin
from unit.loading import load_all
from unit.rules.pairs import Pair, pages, passes, refuses

PAIRS = (
    Pair("FTC595", "'job.volcano={spec: {maxRetry: 9}}'", "restarts=8", "job.volcano.spec.maxRetry"),
    Pair(
        "FTC596",
        "'job.volcano={spec: {networkTopology: {mode: near}}}'",
        "'job.volcano={spec: {networkTopology: {mode: hard}}}'",
        "job.volcano.spec.networkTopology.mode",
    ),
)
TOPOLOGY = "job.volcano={spec: {networkTopology: {mode: hard, highestTierAllowed: 1}}}"
DEADLINE = "{spec: {activeDeadlineSeconds: 86400}}"


@pytest.mark.parametrize("pair", [*PAIRS, *pages(PAIRS)], ids=str)
def test_a_pair(pair: Pair) -> None:
    refuses(pair)
    passes(pair)


def objects(target: str, *overrides: str) -> list[Any]:
    said = ftc("compile", "-t", target, *overrides)
    assert said.exit_code == 0, said.stderr
    return load_all(said.stdout)


def test_a_fragment_adds_fields_to_the_job_of_its_target() -> None:
    (job,) = objects("volcano", "nodes=2", TOPOLOGY)
    assert job["spec"]["networkTopology"] == {"mode": "hard", "highestTierAllowed": 1}
    service, job = objects("job", "nodes=2", f"job.job={DEADLINE}")
    assert (job["kind"], job["spec"]["activeDeadlineSeconds"]) == ("Job", 86400)
    assert "activeDeadlineSeconds" not in service["spec"]
    assert "networkTopology" not in objects("job", "nodes=2", TOPOLOGY)[-1]["spec"]


def test_mappings_are_merged_and_the_rest_of_the_object_is_the_same() -> None:
    (plain,), (changed,) = (
        objects("volcano", "nodes=2"),
        objects("volcano", "nodes=2", "job.volcano.spec.plugins.ssh=[]"),
    )
    assert changed["spec"]["plugins"] == {**plain["spec"]["plugins"], "ssh": []}
    del changed["spec"]["plugins"], plain["spec"]["plugins"]
    assert without_origin(yaml.safe_dump(changed["spec"])) == without_origin(yaml.safe_dump(plain["spec"]))


@pytest.mark.parametrize("target", ["jobset", "trainjob"])
def test_labels_and_annotations_of_the_object(target: str) -> None:
    job = objects(target, f"job.{target}={{metadata: {{annotations: {{example.com/team: nlp}}}}}}")[-1]
    assert job["metadata"]["annotations"]["example.com/team"] == "nlp"
    assert "ftc.dev/version" in job["metadata"]["annotations"]
    assert "annotations" not in job["spec"]


@pytest.mark.parametrize(
    ("target", "fragment", "key"),
    [
        ("volcano", "{spec: {minAvailable: 1}}", "job.volcano.spec.minAvailable"),
        ("volcano", "{spec: {tasks: []}}", "job.volcano.spec.tasks"),
        ("volcano", "{spec: {policies: [{event: PodPending, action: AbortJob}]}}", "job.volcano.spec.policies"),
        ("volcano", "{metadata: {generateName: other-}}", "job.volcano.metadata.generateName"),
        ("volcano", "{metadata: {name: other}}", "job.volcano.metadata.name"),
        ("trainjob", "{metadata: {namespace: other}}", "job.trainjob.metadata.namespace"),
        ("jobset", "{spec: {network: {enableDNSHostnames: false}}}", "job.jobset.spec.network"),
        ("job", "{spec: {completions: 5}}", "job.job.spec.completions"),
        ("jobset", "{spec: {failurePolicy: {maxRestarts: 9}}}", "job.jobset.spec.failurePolicy.maxRestarts"),
        ("trainjob", "{spec: {runtimeRef: {name: other}}}", "job.trainjob.spec.runtimeRef.name"),
    ],
)
def test_a_field_that_ftc_sets_is_refused(target: str, fragment: str, key: str) -> None:
    said = ftc("compile", "-t", target, "nodes=2", f"job.{target}={fragment}")
    assert said.exit_code == 1
    assert f"error[FTC595 job-fragment-changes-own-field]: {key}: ftc sets " in said.stderr


@pytest.mark.parametrize(
    ("target", "fragment", "key", "field"),
    [
        ("volcano", "{spec: {activeDeadlineSeconds: 60}}", "job.volcano.spec", "activeDeadlineSeconds"),
        ("volcano", "{spec: {networkTopology: {mode: fast}}}", "job.volcano.spec.networkTopology.mode", "fast"),
        ("job", "{spec: {activeDeadlineSeconds: soon}}", "job.job.spec.activeDeadlineSeconds", "soon"),
        ("job", "{specs: {}}", "job.job", "specs"),
        ("jobset", "{spec: {networks: {}}}", "job.jobset.spec", "networks"),
        ("trainjob", "{spec: {trainers: {}}}", "job.trainjob.spec", "trainers"),
    ],
)
def test_a_field_that_the_cluster_does_not_know_is_refused(target: str, fragment: str, key: str, field: str) -> None:
    said = ftc("compile", "-t", target, "nodes=2", f"job.{target}={fragment}")
    assert said.exit_code == 1
    assert f"error[FTC596 job-fragment-invalid]: {key}: " in said.stderr
    assert field in said.stderr


def test_a_field_is_explained_by_the_fragment() -> None:
    said = ftc("explain", "Job:spec.networkTopology.mode", TOPOLOGY)
    assert said.exit_code == 0, said.stderr
    assert "job.volcano.spec.networkTopology.mode" in said.stdout
