"""A TrainJob and its TrainingRuntime run the job as the user intends."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from ftc.output_schemas import kubeflow_object, kubernetes_versions
from unit.compiling import ftc
from unit.loading import load_all

KUBERNETES = kubernetes_versions()


def documents(*overrides: str, target: str = "trainjob") -> list[Any]:
    state = compile_job(Request(overrides, targets=(target,)))
    assert not has_errors(state.diagnostics), state.diagnostics
    return load_all(state.outputs[target])


def runtime(*overrides: str) -> Any:
    return documents(*overrides)[0]


def trainjob(*overrides: str) -> Any:
    return documents(*overrides)[1]


def test_the_runtime_comes_first_and_the_job_only_refers_to_it() -> None:
    made, job = documents("nodes=2")
    assert (made["apiVersion"], made["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime")
    assert (job["apiVersion"], job["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    reference = {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": made["metadata"]["name"]}
    assert job["spec"] == {"runtimeRef": reference}
    assert job["metadata"]["generateName"] == "qwen3-0-6b-lora-sft-"


@pytest.mark.parametrize("nodes", [1, 2])
def test_trainer_recognizes_the_runtime_and_its_container(nodes: int) -> None:
    made = runtime(f"nodes={nodes}")
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/name": "llamafactory",
        "app.kubernetes.io/instance": "qwen3-0-6b-lora-sft",
        "app.kubernetes.io/managed-by": "ftc",
        "trainer.kubeflow.org/framework": "torch",
    }
    assert made["spec"]["mlPolicy"] == {"numNodes": nodes, "torch": {}}
    (replicated,) = made["spec"]["template"]["spec"]["replicatedJobs"]
    assert (replicated["name"], replicated["replicas"]) == ("node", 1)
    assert replicated["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    names = [one["name"] for one in replicated["template"]["spec"]["template"]["spec"]["containers"]]
    assert names[0] == "node"
    assert "train" not in names


def test_the_name_of_the_runtime_ends_in_a_digest_of_what_is_in_it() -> None:
    names = [runtime(*more)["metadata"]["name"] for more in ((), (), ("train.max_steps=1",))]
    assert names[0] == names[1] != names[2]
    assert runtime("ignore=[FTC578]", "hardware.node=null")["metadata"]["name"] == names[0]
    stem, _, digest = names[0].rpartition("-")
    assert (stem, len(digest)) == ("qwen3-0-6b-lora-sft", 8)
    int(digest, 16)


def test_a_fixed_name_is_that_of_the_job() -> None:
    made, job = documents("naming=fixed", "name=mine", "namespace=team-a")
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == ("mine", "team-a")
    assert made["metadata"]["namespace"] == "team-a"
    assert made["metadata"]["name"].startswith("mine-")


@pytest.mark.parametrize("overrides", [("nodes=2", "restarts=3"), ("nodes=2", "naming=fixed", "name=a"), ("nodes=1",)])
def test_it_is_the_jobset_of_the_other_target(overrides: tuple[str, ...]) -> None:
    """Except the name of the container, the labels for Trainer, and the rendezvous."""
    (jobset,) = documents(*overrides, target="jobset")
    wrapped = runtime(*overrides)["spec"]["template"]["spec"]
    for spec in (jobset["spec"], wrapped):
        (replicated,) = spec["replicatedJobs"]
        replicated["template"].pop("metadata", None)
        template = replicated["template"]["spec"]["template"]
        del template["metadata"]["annotations"]["ftc.dev/rendezvous.sh"]
        template["spec"]["containers"][0]["name"] = "train"
    assert wrapped == jobset["spec"]


def test_kueue_reads_the_labels_of_the_trainjob_only() -> None:
    made, job = documents("nodes=2", "cluster.kueue_queue=team", "suspend=true")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert job["spec"]["suspend"] is True
    assert "kueue.x-k8s.io" not in json.dumps(made)


def test_volcano_gets_a_pod_group_from_trainer_on_request() -> None:
    gang = ("nodes=2", "cluster.gang_jobs=true", "cluster.queue=q", "cluster.scheduler=volcano-2")
    spec = runtime(*gang, "cluster.priority_class=high")["spec"]
    assert spec["podGroupPolicy"] == {"volcano": {}}
    assert spec["template"]["metadata"] == {"annotations": {"scheduling.volcano.sh/queue-name": "q"}}
    (replicated,) = spec["template"]["spec"]["replicatedJobs"]
    pod = replicated["template"]["spec"]["template"]["spec"]
    assert (pod["schedulerName"], pod["priorityClassName"]) == ("volcano-2", "high")
    assert not {"podGroupPolicy"} & runtime("nodes=2")["spec"].keys()
    assert "metadata" not in runtime("nodes=2")["spec"]["template"]


def test_an_elastic_run_needs_fewer_pods_than_the_pod_group_of_trainer() -> None:
    elastic = ("nodes=4", "min_nodes=2", "restarts=3", "launcher=torchrun", "cluster.gang_jobs=true")
    spec = runtime(*elastic)["spec"]
    assert "podGroupPolicy" not in spec
    (replicated,) = spec["template"]["spec"]["replicatedJobs"]
    annotations = replicated["template"]["metadata"]["annotations"]
    assert annotations == {"scheduling.volcano.sh/group-min-member": "2"}


def test_the_jobset_of_trainer_has_no_lifetime() -> None:
    made, job = documents("ttl_seconds_after_finished=60")
    assert "ttlSecondsAfterFinished" not in json.dumps([made["spec"]["template"]["spec"], job])


@pytest.mark.parametrize("code", ["FTC578", "FTC582", "FTC583", "FTC590", "FTC591"])
def test_a_rule_on_jobsets_is_one_on_trainjobs(code: str) -> None:
    wrong = next(line for line in ftc("rule", code).stdout.splitlines() if line.startswith("Wrong:"))
    words = wrong.partition(" -t ")[2].split()[1:]
    assert f"[{code} " in ftc("compile", "-t", "trainjob", *words).stderr


MUTANTS = {
    "another group": ((1, "spec", "runtimeRef", "kind"), "Runtime"),
    "an override": ((1, "spec", "trainer"), {"numNodes": 3}),
    "an unknown field": ((1, "spec", "queue"), "q"),
    "a name with a dot": ((1, "metadata", "generateName"), "a.b-"),
    "no template": ((0, "spec", "template"), None),
    "no number of nodes": ((0, "spec", "mlPolicy"), None),
    "an unknown policy": ((0, "spec", "podGroupPolicy"), {"yunikorn": {}}),
    "an unknown field of the JobSet": ((0, "spec", "template", "spec", "maxRestarts"), 1),
    "a negative count": ((0, "spec", "template", "spec", "failurePolicy", "maxRestarts"), -1),
}


def valid(manifests: list[Any], kubernetes: str) -> bool:
    kinds = ("trainingruntime", "trainjob")
    return all(kubeflow_object(kind, kubernetes).is_valid(made) for kind, made in zip(kinds, manifests, strict=True))


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_the_schemas_accept_the_pair_of_every_kubernetes(kubernetes: str) -> None:
    assert valid(documents("nodes=2", f"cluster.kubernetes='{kubernetes}'"), kubernetes)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_schemas_refuse(mutant: str) -> None:
    path, value = MUTANTS[mutant]
    made = copy.deepcopy(documents("nodes=2"))
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert not valid(made, KUBERNETES[-1])


def test_the_plan_has_its_own_restarts_and_address() -> None:
    said = ftc("plan", "-t", "trainjob", "nodes=2", "restarts=3", "cluster.kueue_queue=team").stdout
    assert "3 times (maxRestarts)" in said
    assert "all nodes start together" in said
    assert "team" in said


def test_explain_finds_what_set_a_field_of_the_renamed_container() -> None:
    path = "TrainingRuntime:spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers[node].tty"
    fragment = "pod={spec: {containers: [{name: train, tty: true}]}}"
    said = ftc("explain", "-t", "trainjob", path, fragment)
    assert said.exit_code == 0, said.stderr
    assert "override" in said.stdout


def test_diff_finds_what_set_a_field_of_the_renamed_container() -> None:
    fragment = "pod={spec: {containers: [{name: train, tty: true}]}}"
    said = ftc("diff", "-t", "trainjob", "--", fragment).stdout
    assert "tty" in said
    assert "pod.spec.containers" in said or "pod=" in said
