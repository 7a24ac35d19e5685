"""JobSet runs the job as the user intends."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from ftc.output_schemas import kubeflow_object, kubernetes_versions
from unit.compiling import ftc, variables
from unit.loading import load

KUBERNETES = kubernetes_versions()


def jobset(*overrides: str) -> Any:
    state = compile_job(Request(overrides, targets=("jobset",)))
    assert not has_errors(state.diagnostics), state.diagnostics
    return load(state.outputs["jobset"])


def job(*overrides: str) -> Any:
    (replicated,) = jobset(*overrides)["spec"]["replicatedJobs"]
    assert (replicated["name"], replicated["replicas"]) == ("node", 1)
    return replicated["template"]


def train(*overrides: str) -> Any:
    containers = job(*overrides)["spec"]["template"]["spec"]["containers"]
    return next(container for container in containers if container["name"] == "train")


@pytest.mark.parametrize("nodes", [1, 2, 100])
def test_all_ranks_are_one_indexed_job_that_starts_all_at_once(nodes: int) -> None:
    made = jobset(f"nodes={nodes}")
    assert (made["apiVersion"], made["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    spec = job(f"nodes={nodes}")["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == nodes
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_name_is_generated_and_pods_find_rank_0_by_it() -> None:
    made = jobset("nodes=2")
    assert made["metadata"]["generateName"] == "qwen3-0-6b-lora-sft-"
    env = {each["name"]: each for each in train("nodes=2")["env"]}
    name = "metadata.labels['jobset.sigs.k8s.io/jobset-name']"
    assert env["JOB_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == name
    assert env["MASTER_ADDR"]["value"] == "$(JOB_NAME)-node-0-0.$(JOB_NAME)"
    assert list(env).index("JOB_NAME") < list(env).index("MASTER_ADDR")  # which refers to it
    fixed = {each["name"]: each for each in train("nodes=2", "naming=fixed")["env"]}  # JOB_NAME has the UID there
    assert fixed["JOBSET_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == name
    assert fixed["MASTER_ADDR"]["value"] == "$(JOBSET_NAME)-node-0-0.$(JOBSET_NAME)"
    assert "MASTER_ADDR" not in variables(train())


def test_a_fixed_name_that_comes_back_is_another_run() -> None:
    env = {each["name"]: each for each in train("naming=fixed", "name=mine")["env"]}
    assert env["JOB_UID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['jobset.sigs.k8s.io/jobset-uid']"
    assert env["JOB_NAME"]["value"] == "mine-$(JOB_UID)"
    assert jobset("naming=fixed", "name=mine")["metadata"]["name"] == "mine"


@pytest.mark.parametrize("restarts", [0, 3])
def test_a_failed_pod_restarts_all_and_a_disruption_does_not_count(restarts: int) -> None:
    policy = jobset("nodes=2", f"restarts={restarts}")["spec"]["failurePolicy"]
    assert policy["maxRestarts"] == restarts
    (rule,) = policy["rules"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    spec = job("nodes=2", f"restarts={restarts}")["spec"]
    assert spec["backoffLimit"] == 0
    (on_disruption,) = spec["podFailurePolicy"]["rules"]
    assert on_disruption == {
        "action": "FailJob",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }


def test_kueue_reads_the_label_of_the_jobset_only() -> None:
    made = jobset("nodes=2", "cluster.kueue_queue=team")
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert json.dumps(made).count("kueue.x-k8s.io") == 1


def test_volcano_is_asked_on_request_by_the_job_that_owns_the_pods() -> None:
    assert "metadata" not in job("nodes=2")
    gang = ("nodes=2", "cluster.gang_jobs=true", "cluster.queue=q", "cluster.scheduler=volcano-2")
    made = job(*gang)
    assert made["metadata"] == {"annotations": {"scheduling.volcano.sh/group-min-member": "2"}}
    template = made["spec"]["template"]
    assert template["metadata"]["annotations"]["scheduling.volcano.sh/queue-name"] == "q"
    assert template["spec"]["schedulerName"] == "volcano-2"


def test_what_the_user_asks_of_the_job() -> None:
    wanted = ("ttl_seconds_after_finished=60", "suspend=true", "cluster.priority_class=high", "labels.team=a")
    made = jobset(*wanted)
    assert (made["spec"]["ttlSecondsAfterFinished"], made["spec"]["suspend"]) == (60, True)
    assert made["metadata"]["labels"]["team"] == "a"
    assert job(*wanted)["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert not {"ttlSecondsAfterFinished", "suspend"} & jobset()["spec"].keys()


@pytest.mark.parametrize(
    "code",
    ["FTC312", "FTC572", "FTC573", "FTC575", "FTC576", "FTC577", "FTC578", "FTC581", "FTC582", "FTC583", "FTC584"],
)
def test_a_rule_on_jobs_without_a_gang_of_their_own_is_one_on_jobsets(code: str) -> None:
    wrong = next(line for line in ftc("rule", code).stdout.splitlines() if line.startswith("Wrong:"))
    words = wrong.partition(" -t job ")[2]
    assert f"[{code} " in ftc("compile", "-t", "jobset", *words.split()).stderr
    assert "batch Job" not in ftc("compile", "-t", "jobset", *words.split()).stderr


# The longest name that the rules accept is one that the webhook accepts (pkg/webhooks/jobset_webhook.go).
@pytest.mark.parametrize(("nodes", "name"), [(1, "a" * 42), (11, "a" * 41), (1000, "a" * 40)])
def test_the_longest_name_fits(nodes: int, name: str) -> None:
    generated = jobset(f"nodes={nodes}", f"name={name}")["metadata"]["generateName"] + "abcde"
    assert len(f"{generated}-node-0-{nodes - 1}-abcde") <= 63


# --- the schema ---

MUTANTS = {
    "another kind": (("kind",), "Job"),
    "an unknown field": (("spec", "maxRestarts"), 3),
    "two kinds of names": (("metadata", "name"), "one"),
    "a name with a dot": (("metadata", "generateName"), "a.b-"),
    "a negative count": (("spec", "failurePolicy", "maxRestarts"), -1),
    "an unknown action": (("spec", "failurePolicy", "rules", 0, "action"), "Restart"),
    "an unknown reason": (("spec", "failurePolicy", "rules", 0, "onJobFailureReasons"), ["Evicted"]),
    "a rule's name with a dash": (("spec", "failurePolicy", "rules", 0, "name"), "not-counted"),
    "no Job": (("spec", "replicatedJobs"), None),
    "a Job without a pod": (("spec", "replicatedJobs", 0, "template", "spec"), {"backoffLimit": 0}),
    "metadata that the controller sets": (("spec", "replicatedJobs", 0, "template", "metadata"), {"uid": "1"}),
}


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_the_schema_accepts_a_jobset_of_every_kubernetes(kubernetes: str) -> None:
    made = jobset("nodes=2", f"cluster.kubernetes='{kubernetes}'")
    assert kubeflow_object("jobset", kubernetes).is_valid(made)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_schema_refuses(mutant: str) -> None:
    path, value = MUTANTS[mutant]
    made = copy.deepcopy(jobset("nodes=2"))
    place = made
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert not kubeflow_object("jobset", KUBERNETES[-1]).is_valid(made)


def test_the_plan_has_its_own_restarts_and_address() -> None:
    said = ftc("plan", "-t", "jobset", "nodes=2", "restarts=3").stdout
    assert "3 times (maxRestarts)" in said
    assert "index 0" in said
    assert "worker-0" not in said
