"""What makes the pods of a batch Job, a JobSet or a TrainJob a gang, so that lint does not report them (FTC578)."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.lint import Versions, lint
from golden import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Diagnostic

SERVICE, JOB = yaml.safe_load_all((cases.CORPUS / "bad" / "FTC578-pods-of-a-job.yaml").read_text())
SCENARIO = cases.SCENARIOS / "ascend-torchrun-2x8"
RUNTIME, TRAIN_JOB = yaml.safe_load_all((SCENARIO / "trainjob.yaml").read_text())
JOB_SET = yaml.safe_load((SCENARIO / "jobset.yaml").read_text())
NAMES_GROUP = {"scheduling.k8s.io/group-name": "ddp"}
MIN_MEMBER = {"scheduling.volcano.sh/group-min-member": "2"}


def found(*objects: Any, volcano: str = "1.15") -> list[Diagnostic]:
    text = yaml.safe_dump_all(objects)
    return [d for d in lint([("a.yaml", text.encode())], Versions("1.36", volcano)) if d.code == "FTC578"]


def with_parts(base: Any, path: str, given: Any) -> Any:
    """The object with a value at a path of keys that are separated by blanks."""
    made = deepcopy(base)
    *above, last = (int(key) if key.isdecimal() else key for key in path.split())
    inside = made
    for key in above:
        inside = inside[key] if isinstance(key, int) else inside.setdefault(key, {})
    inside[last] = {**inside.get(last, {}), **given} if isinstance(given, dict) else given
    return made


def jobs(**volcano: Any) -> Iterator[Any]:
    """The Job whose pods the Volcano scheduler schedules, with annotations at paths."""
    made = with_parts(JOB, "spec template spec schedulerName", "volcano")
    yield SERVICE
    for path, given in volcano.items():
        made = with_parts(made, path.replace("_", " "), given)
    yield made


def test_pods_without_a_gang_are_reported() -> None:
    (of_job,) = found(SERVICE, JOB)
    assert of_job.message == "the 2 pods of a batch Job are not gang-scheduled: some may hold devices and wait"
    (of_job_set,) = found(JOB_SET)
    assert of_job_set.message.startswith("the 2 pods of a JobSet ")
    (of_train_job,) = found(RUNTIME, TRAIN_JOB)
    assert of_train_job.message.startswith("the 2 pods of a TrainJob ")


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("metadata labels", {"kueue.x-k8s.io/queue-name": "team"}),
        ("metadata labels", {"kueue.x-k8s.io/queue-name": "${QUEUE}"}),
        ("spec suspend", True),
        ("spec template metadata labels", {"kueue.x-k8s.io/pod-group-name": "ddp"}),
        ("spec template metadata labels", {"scheduling.x-k8s.io/pod-group": "ddp"}),
        ("spec template metadata labels", {"pod-group.scheduling.sigs.k8s.io": "ddp"}),
        ("spec template metadata annotations", {"gang.scheduling.koordinator.sh/name": "ddp"}),
        ("spec template metadata annotations", {"yunikorn.apache.org/task-groups": "[]"}),
        ("spec template spec schedulerName", "kai-scheduler"),
        ("spec template spec schedulerName", "${SCHEDULER}"),
        ("spec template spec workloadRef", {"name": "ddp", "podGroup": "workers"}),
        ("spec template spec schedulingGroup", {"podGroupName": "ddp"}),
        ("spec template spec schedulingGates", [{"name": "team.example.com/admitted"}]),
        ("spec parallelism", 1),
        ("spec template spec containers 0 resources", {"limits": {"cpu": 8}}),
    ],
)
def test_a_gang_of_a_job_is_silent(path: str, given: Any) -> None:
    assert found(SERVICE, with_parts(JOB, path, given)) == []


@pytest.mark.parametrize("given", [NAMES_GROUP, {"scheduling.k8s.io/group-name": "${GROUP}"}])
def test_volcano_reads_the_pod_group_of_the_pods(given: dict[str, str]) -> None:
    assert found(*jobs(spec_template_metadata_annotations=given)) == []
    assert found(SERVICE, with_parts(JOB, "spec template metadata annotations", given))
    (label,) = found(*jobs(spec_template_metadata_labels=NAMES_GROUP))
    assert label.help == "write scheduling.k8s.io/group-name as an annotation: Volcano does not read the label"


def test_volcano_reads_the_size_of_a_gang_from_the_job() -> None:
    assert found(*jobs(metadata_annotations=MIN_MEMBER)) == []
    assert found(*jobs(metadata_annotations=MIN_MEMBER), volcano="1.11")
    assert found(*jobs(metadata_annotations=dict.fromkeys(MIN_MEMBER, "1")))
    assert found(*jobs(spec_template_metadata_annotations=MIN_MEMBER))
    assert found(SERVICE, with_parts(JOB, "metadata annotations", MIN_MEMBER))


@pytest.mark.parametrize("name", ["gang-name", "group-name", "pod-group", "podgroup-name"])
def test_an_annotation_that_volcano_does_not_read_is_named(name: str) -> None:
    key = f"scheduling.volcano.sh/{name}"
    (one,) = found(*jobs(spec_template_metadata_annotations={key: "ddp"}))
    assert one.help.endswith(f"from the annotation scheduling.k8s.io/group-name, not from {key}")
    (other,) = found(*jobs(spec_template_metadata_annotations={"scheduling.volcano.sh/queue-name": "team"}))
    assert other.help.startswith("add the label kueue.x-k8s.io/queue-name")


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("metadata labels", {"kueue.x-k8s.io/queue-name": "team"}),
        ("spec suspend", True),
        ("spec gangPolicy", {"policy": "All"}),
    ],
)
def test_a_gang_of_a_job_set_is_silent(path: str, given: Any) -> None:
    assert found(with_parts(JOB_SET, path, given)) == []


def test_volcano_schedules_the_jobs_of_a_job_set() -> None:
    inside = "spec replicatedJobs 0 template"
    made = with_parts(JOB_SET, f"{inside} spec template spec schedulerName", "volcano")
    assert found(made)
    assert found(with_parts(made, f"{inside} metadata annotations", MIN_MEMBER)) == []
    assert found(with_parts(made, "metadata annotations", MIN_MEMBER)), "Volcano reads the owner of the pods, the Job"


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("metadata labels", {"kueue.x-k8s.io/queue-name": "team"}),
        ("spec labels", {"kueue.x-k8s.io/queue-name": "team"}),
        ("spec suspend", True),
        ("spec managedBy", "kueue.x-k8s.io/multikueue"),
        ("spec podTemplateOverrides", [{"targetJobs": [{"name": "node"}], "spec": {"schedulerName": "a"}}]),
    ],
)
def test_a_gang_of_a_train_job_is_silent(path: str, given: Any) -> None:
    assert found(RUNTIME, with_parts(TRAIN_JOB, path, given)) == []


def test_a_runtime_makes_the_pods_of_its_train_jobs_a_gang() -> None:
    assert found(with_parts(RUNTIME, "spec podGroupPolicy", {"coscheduling": {}}), TRAIN_JOB) == []
    assert (
        found(with_parts(RUNTIME, "spec template metadata labels", {"kueue.x-k8s.io/queue-name": "a"}), TRAIN_JOB) == []
    )


def test_the_train_job_of_a_runtime_may_be_in_another_file() -> None:
    assert found(RUNTIME) == []
    assert found(TRAIN_JOB) == []


@pytest.mark.parametrize("nodes", ["--nnodes=1:2", "--nnodes=1", "--standalone"])
def test_pods_of_an_elastic_training_or_of_one_node_do_not_wait_for_all(nodes: str) -> None:
    text = yaml.safe_dump_all([SERVICE, JOB]).replace("--nnodes=2", nodes)
    assert "FTC578" not in {d.code for d in lint([("a.yaml", text.encode())], Versions("1.36", "1.15"))}


VOLCANO_JOB = yaml.safe_load((cases.CORPUS / "good" / "FTC521-queue-of-a-team.yaml").read_text())


@pytest.mark.parametrize(
    ("path", "wrong", "right", "code", "message"),
    [
        ("queue", "root", "q" * 63, "FTC521", "is the root queue, which does not accept jobs"),
        ("queue", "q" * 64, "default", "FTC803", "has 64 characters, but at most 63 are allowed"),
        ("schedulerName", "vulcano", "volcano-2", "FTC509", "vulcano does not start the gang of volcano"),
        (
            "tasks 0 template spec schedulerName",
            "default-scheduler",
            "volcano",
            "FTC509",
            "default-scheduler does not start the gang of volcano",
        ),
    ],
)
def test_the_queue_and_the_schedulers_of_a_volcano_job(
    path: str, wrong: str, right: str, code: str, message: str
) -> None:
    def told(value: str) -> list[tuple[str, str]]:
        text = yaml.safe_dump(with_parts(VOLCANO_JOB, f"spec {path}", value))
        return [(d.code, d.message) for d in lint([("a.yaml", text.encode())], Versions("1.36", "1.15"))]

    assert told(wrong) == [(code, message)]
    assert told(right) == []
