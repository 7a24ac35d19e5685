"""Kubernetes runs the batch Job as the user intends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiClient, V1Job, V1PodTemplateSpec, V1Service

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from unit.compiling import COMMAND, ROOT, annotated, ftc, variables
from unit.loading import load, load_all

if TYPE_CHECKING:
    from pathlib import Path


def documents(*overrides: str) -> list[Any]:
    state = compile_job(Request(overrides, targets=("job",)))
    assert not has_errors(state.diagnostics), state.diagnostics
    return load_all(state.outputs["job"])


def job(*overrides: str) -> Any:
    return documents(*overrides)[-1]


def pod(*overrides: str) -> Any:
    return job(*overrides)["spec"]["template"]["spec"]


def train(*overrides: str) -> Any:
    return next(container for container in pod(*overrides)["containers"] if container["name"] == "train")


def test_one_node_is_a_plain_job_with_a_generated_name() -> None:
    (made,) = documents()
    assert (made["apiVersion"], made["kind"]) == ("batch/v1", "Job")
    assert made["metadata"]["generateName"] == "qwen3-0-6b-lora-sft-"
    assert not {"completionMode", "completions", "parallelism"} & made["spec"].keys()
    assert "subdomain" not in made["spec"]["template"]["spec"]


def test_a_run_of_one_node_is_named_by_its_job() -> None:
    (name,) = [v for v in train()["env"] if v["name"] == "JOB_NAME"]
    assert name["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"


@pytest.mark.parametrize("overrides", [("nodes=2",), ("naming=fixed",), ("nodes=2", "naming=fixed")])
def test_a_fixed_name_that_comes_back_is_another_run(overrides: tuple[str, ...]) -> None:
    env = train(*overrides)["env"]
    names = [variable["name"] for variable in env]
    assert names.index("JOB_UID") < names.index("JOB_NAME")  # which refers to it
    uid = env[names.index("JOB_UID")]["valueFrom"]["fieldRef"]["fieldPath"]
    assert uid == "metadata.labels['batch.kubernetes.io/controller-uid']"
    assert env[names.index("JOB_NAME")]["value"] == f"{job(*overrides)['metadata']['name']}-$(JOB_UID)"


@pytest.mark.parametrize("nodes", [2, 3, 100])
def test_several_nodes_are_an_indexed_job_that_starts_all_at_once(nodes: int) -> None:
    spec = job(f"nodes={nodes}")["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == nodes
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert "backoffLimitPerIndex" not in spec


def test_the_service_comes_first_and_gives_every_pod_a_name_before_it_is_ready() -> None:
    service, made = documents("nodes=2")
    name = made["metadata"]["name"]
    assert (service["apiVersion"], service["kind"], service["metadata"]["name"]) == ("v1", "Service", name)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert made["spec"]["template"]["spec"]["subdomain"] == name
    assert variables(train("nodes=2"))["MASTER_ADDR"] == f"{name}-0.{name}"


def test_another_spec_has_another_name_and_the_same_spec_the_same() -> None:
    names = [job("nodes=2", *more)["metadata"]["name"] for more in ((), (), ("train.max_steps=1",))]
    assert names[0] == names[1] != names[2]
    for name in names:
        stem, _, digest = name.rpartition("-")
        assert stem == "qwen3-0-6b-lora-sft"
        assert len(digest) == 8
        int(digest, 16)


def test_a_name_that_the_user_fixed_is_taken_as_it_is() -> None:
    service, made = documents("nodes=2", "naming=fixed", "name=mine", "namespace=team-a")
    for each in (service, made):
        assert (each["metadata"]["name"], each["metadata"]["namespace"]) == ("mine", "team-a")
    assert "job,service mine" in ftc("compile", "-t", "job", "nodes=2", "naming=fixed", "name=mine").stderr


def test_compile_prints_the_name_and_how_to_run_the_job_again() -> None:
    said = ftc("compile", "-t", "job", "nodes=2", "namespace=team-a")
    name = load_all(said.stdout)[-1]["metadata"]["name"]
    assert f"kubectl delete -n team-a job,service {name}" in said.stderr
    assert said.exit_code == 0


@pytest.mark.parametrize(("nodes", "restarts", "limit"), [(1, 0, 0), (1, 3, 3), (2, 0, 0), (2, 3, 6)])
def test_an_incident_that_fails_every_pod_is_one_restart(nodes: int, restarts: int, limit: int) -> None:
    assert job(f"nodes={nodes}", f"restarts={restarts}")["spec"]["backoffLimit"] == limit


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_pod_that_the_cluster_takes_away_counts_for_nothing_and_ends_before_its_successor_starts(nodes: int) -> None:
    spec = job(f"nodes={nodes}")["spec"]
    condition = {"type": "DisruptionTarget", "status": "True"}
    assert spec["podFailurePolicy"] == {"rules": [{"action": "Ignore", "onPodConditions": [condition]}]}
    assert spec["podReplacementPolicy"] == "Failed"


def test_the_claim_of_a_job_is_one_of_its_pod() -> None:
    overrides = ("storage=job-lifetime", "storage.workspace.size=5Gi", "storage.workspace.storage_class=fast")
    (workspace,) = [volume for volume in pod(*overrides)["volumes"] if volume["name"] == "workspace"]
    claim = workspace["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "5Gi"}}
    assert {"name": "workspace", "mountPath": "/workspace"} in train(*overrides)["volumeMounts"]
    assert "note[FTC573 retry-loses-pod-claim]" in ftc("compile", "-t", "job", *overrides).stderr


def test_kueue_and_volcano_are_asked_only_on_request() -> None:
    plain = job("nodes=2")
    assert annotated(plain) == {}
    assert not {"schedulerName", "priorityClassName"} & plain["spec"]["template"]["spec"].keys()
    kueue = job("nodes=2", "cluster.kueue_queue=team")
    assert kueue["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    gang = job("nodes=2", "cluster.gang_jobs=true", "cluster.queue=q", "cluster.scheduler=volcano-2")
    assert annotated(gang) == {"scheduling.volcano.sh/group-min-member": "2"}
    template = gang["spec"]["template"]
    assert template["metadata"]["annotations"]["scheduling.volcano.sh/queue-name"] == "q"
    assert template["spec"]["schedulerName"] == "volcano-2"


def test_what_the_user_asks_of_the_job() -> None:
    made = job("ttl_seconds_after_finished=60", "suspend=true", "cluster.priority_class=high", "labels.team=a")
    assert made["spec"]["ttlSecondsAfterFinished"] == 60
    assert made["spec"]["suspend"] is True
    assert made["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert made["metadata"]["labels"]["team"] == "a"
    assert not {"ttlSecondsAfterFinished", "suspend"} & job()["spec"].keys()


def test_a_users_fragment_has_the_last_word() -> None:
    assert pod("cluster.gang_jobs=true", "pod.spec.schedulerName=mine")["schedulerName"] == "mine"


def test_a_command_runs_in_it_too() -> None:
    assert train(*COMMAND)["args"] == ["python", "train.py"]


def test_a_thousand_nodes_are_as_many_lines_as_two() -> None:
    few, many = (
        compile_job(Request((f"nodes={n}", "naming=fixed"), targets=("job",))).outputs["job"] for n in (2, 1000)
    )
    changed = [(a, b) for a, b in zip(few.splitlines(), many.splitlines(), strict=True) if a != b]
    assert changed
    assert all("2" in a and "1000" in b for a, b in changed)


CASES = sorted((ROOT / "golden" / "scenarios").glob("*/job.yaml"))


def test_every_scenario_has_a_job() -> None:
    assert {file.parent for file in CASES} == {
        file.parent for file in (ROOT / "golden" / "scenarios").glob("*/case.yaml")
    }


MORE = (
    ("nodes=2", "cluster.gang_jobs=true", "restarts=2", "ttl_seconds_after_finished=60"),
    ("nodes=2", "cluster.kueue_queue=team", "suspend=true", "naming=fixed"),
    ("storage=job-lifetime", "cluster.priority_class=high", "annotations.a=b"),
    ("pod={spec: {containers: [{name: train, resources: {limits: {cpu: 4}, requests: {cpu: 2}}}]}}",),
)


@pytest.mark.parametrize("overrides", MORE)
def test_the_official_client_reads_what_was_asked_for_and_loses_nothing(overrides: tuple[str, ...]) -> None:
    for each in documents(*overrides):
        assert round_trip(each) == each


@pytest.mark.parametrize("case", CASES, ids=lambda file: file.parent.name)
def test_the_official_client_reads_every_scenario_and_loses_nothing(case: Path) -> None:
    for each in load_all(case.read_text(encoding="utf-8")):
        assert round_trip(each) == each
    volcano = load((case.parent / "volcano.yaml").read_text(encoding="utf-8"))
    template = volcano["spec"]["tasks"][0]["template"]
    assert round_trip(template, V1PodTemplateSpec) == template


def round_trip(document: Any, model: Any = None) -> Any:
    """The document after the official client has parsed it strictly into its types."""
    model = model or {"Job": V1Job, "Service": V1Service}[document["kind"]]
    return ApiClient().sanitize_for_serialization(model.from_dict(document))  # type: ignore[no-untyped-call] # theirs


ELASTIC = ("nodes=4", "min_nodes=2", "restarts=3")


def test_an_elastic_job_has_an_index_for_every_node_and_may_start_with_fewer() -> None:
    made = job(*ELASTIC, "cluster.gang_jobs=true")
    assert (made["spec"]["completions"], made["spec"]["parallelism"]) == (4, 4)
    assert annotated(made) == {"scheduling.volcano.sh/group-min-member": "2"}


def test_kueue_may_admit_the_first_pods_of_an_elastic_job_alone() -> None:
    assert annotated(job(*ELASTIC, "cluster.kueue_queue=team")) == {
        "kueue.x-k8s.io/job-min-parallelism": "2",
        "kueue.x-k8s.io/job-completions-equal-parallelism": "true",
    }
    assert annotated(job("nodes=4", "cluster.kueue_queue=team")) == {}


def test_a_pod_has_the_time_to_save_that_the_user_chose() -> None:
    assert pod()["terminationGracePeriodSeconds"] == 300
    assert pod("termination_grace_seconds=1800")["terminationGracePeriodSeconds"] == 1800
    assert pod("pod={spec: {terminationGracePeriodSeconds: 60}}")["terminationGracePeriodSeconds"] == 60
