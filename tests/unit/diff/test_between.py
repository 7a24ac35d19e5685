"""`ftc diff --between`: what two targets make of one run differs in the rendezvous and in the job's name only."""

from __future__ import annotations

import json

import pytest

from ftc.diff.changes import written
from ftc.diff.report import between
from ftc.driver import compile_job
from ftc.targets import POD_TARGETS
from property.test_random_combinations import combination
from unit.compiling import ftc

OTHERS = [name for name in POD_TARGETS if name != "volcano"]
# The job's name, the address of rank 0, and a claim that lives with the job, which each target makes in its own way.
MAY_DIFFER = {
    *("rendezvous.sh", "spec.subdomain", "spec.schedulerName", "spec.setHostnameAsFQDN"),
    *(
        f"spec.containers[{container}].{part}"
        for container in ("train", "publish")
        for part in (
            *("env[JOB_NAME]", "env[JOB_UID]", "env[JOBSET_NAME]", "env[MASTER_ADDR]"),
            "env",  # the order: JOB_NAME may need JOB_UID before it
        )
    ),
    'metadata.annotations["scheduling.volcano.sh/queue-name"]',
}
OF_A_CLAIM = {
    "spec.volumes[workspace]",
    *(f"spec.containers[{container}].volumeMounts[/workspace]" for container in ("train", "publish")),
}


@pytest.mark.parametrize("target", OTHERS)
def test_random_runs_have_the_same_containers_for_all_targets(target: str) -> None:
    compared = 0
    for seed in range(60):
        words = combination(seed)
        state = compile_job(type(words)(words.overrides, targets=("volcano", target)))
        if state.run is None or not state.pods:
            continue
        allowed = MAY_DIFFER | (OF_A_CLAIM if state.run.job_claim else set())
        for one in between(state, "volcano", target):
            for item in one.changes:
                path = written(item.change.address)
                assert path in allowed or any(path.startswith(f"{start}.") for start in allowed), (words, path)
        compared += 1
    assert compared > 20, "most combinations are refused, so this tests little"


def test_the_command_lists_what_differs() -> None:
    said = ftc("diff", "--between", "volcano,job", "nodes=2")
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith("pod template, volcano → job\n")
    assert "  + spec.containers[train].env[MASTER_ADDR]\n" in said.stdout
    found = json.loads(ftc("diff", "--between", "volcano,job", "nodes=1", "--json").stdout)
    (change,) = found[0]["changes"]
    assert change["path"] == "spec.containers[train].env[JOB_NAME].valueFrom.fieldRef.fieldPath"
    assert change["after"] == "metadata.labels['batch.kubernetes.io/job-name']"


@pytest.mark.parametrize("value", ["volcano", "volcano,volcano", "volcano,image", "a,b,c", ""])
def test_other_targets_are_refused(value: str) -> None:
    said = ftc("diff", "--between", value, "nodes=2")
    assert said.exit_code == 2
    assert "two of volcano, job" in said.stderr


def test_a_wrong_run_is_refused() -> None:
    said = ftc("diff", "--between", "volcano,job", "nodes=two")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "override 'nodes=two'" in said.stderr


def test_it_compares_one_run_only() -> None:
    said = ftc("diff", "--between", "volcano,job", "nodes=2", "--", "nodes=1")
    assert said.exit_code == 2
    assert "exclude each other: give one" in said.stderr
