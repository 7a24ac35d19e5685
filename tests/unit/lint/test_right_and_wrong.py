"""A right manifest next to a wrong one, for rules that compile and lint share: only the wrong one has the finding."""

from __future__ import annotations

import pytest

from unit.lint.test_false_alarms import codes, gang, task

CHECKS = "{name: check, image: 'a:1', command: [nvidia-smi], resources: {limits: {nvidia.com/gpu: 1}}}"
JOB = """apiVersion: batch/v1
kind: Job
metadata: {name: sft}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, POD}
"""
TRAINS = "name: train, image: 'a/b:1', command: [llamafactory-cli, train, /data/a.yaml]"


def trains(more: str, pod: str = "") -> str:
    return JOB.replace("POD", f"containers: [{{{TRAINS}, {more}}}]{pod}")


def env(name: str, value: str, devices: str = "nvidia.com/gpu: 2") -> str:
    return trains(f"env: [{{name: {name}, value: '{value}'}}], resources: {{limits: {{{devices}}}}}")


SHM = "{name: shm, mountPath: /dev/shm, readOnly: ONLY}"
SIDECAR = (
    "containers: [{name: c, image: 'a:1', command: COMMAND, resources: {limits: {memory: 1Gi}}, volumeMounts: [SHM]}],"
    " volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]"
).replace("SHM", SHM)
SHARE = "resources: {limits: {volcano.sh/vgpu-number: 1}}"
VGPU = f"{{spec: {{restartPolicy: Never, containers: [{{name: a, image: 'a:1', {SHARE}}}]}}}}"
ROOT_POD = (
    "securityContext: {runAsNonRoot: true, runAsUser: 0}, initContainers: [{name: a, image: 'a:1', command: [id]}]"
)


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        (
            env("HCCL_IF_BASE_PORT", "50000", "huawei.com/Ascend910: 2"),
            env("HCCL_IF_BAS_PORT", "50000", "huawei.com/Ascend910: 2"),
            "FTC315",
        ),
        (env("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", "1"), env("CUDA_VISIBLE_DEVICES", "1"), "FTC317"),
        (env("CUDA_VISIBLE_DEVICES", "1, 0"), env("CUDA_VISIBLE_DEVICES", "1,2"), "FTC317"),
        (env("CUDA_VISIBLE_DEVICES", "${DEVICES}"), env("CUDA_VISIBLE_DEVICES", "0"), "FTC317"),
        (
            JOB.replace("POD", SIDECAR).replace("ONLY", "true").replace("COMMAND", "[python, report.py]"),
            JOB.replace("POD", SIDECAR).replace("ONLY", "false").replace("COMMAND", "[python, report.py]"),
            "FTC302",
        ),
        (
            JOB.replace("POD", SIDECAR).replace("ONLY", "false").replace("COMMAND", "[sleep, '9']"),
            JOB.replace("POD", SIDECAR).replace("ONLY", "false").replace("COMMAND", "[python, report.py]"),
            "FTC302",
        ),
        (
            trains("resources: {limits: {nvidia.com/gpu: 0, huawei.com/Ascend910: 1}}"),
            trains("resources: {limits: {nvidia.com/gpu: 1, huawei.com/Ascend910: 1}}"),
            "FTC341",
        ),
        (
            (
                f"apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {{name: a}}\n"
                f"spec: {{pytorchReplicaSpecs: {{Master: {{replicas: 1, template: {VGPU}}}}}}}\n"
            ),
            f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec: {{template: {VGPU}}}\n",
            "FTC312",
        ),
        (
            trains("resources: {limits: {nvidia.com/gpu: 1}}", f", initContainers: [{CHECKS}]"),
            trains(
                "resources: {limits: {nvidia.com/gpu: 1}}", f", initContainers: [{CHECKS.replace('nvidia-smi', 'git')}]"
            ),
            "FTC314",
        ),
        (
            trains("ports: [{containerPort: '8080'}]"),
            trains("ports: [{containerPort: 0}]"),
            "FTC528",
        ),
        (
            trains("tty: true", ", volumes: [{name: d, persistentVolumeClaim: {claimName: d}, readOnly: true}]"),
            trains("tty: true", ", volumes: [{name: d, persistentVolumeClaim: {claimName: d}, emptyDir: {}}]"),
            "FTC529",
        ),
    ],
)
def test_what_is_right_is_told_from_what_is_wrong(right: str, wrong: str, code: str) -> None:
    assert code not in codes(right)
    assert codes(wrong).count(code) == 1


def test_the_user_of_a_pod_is_reported_once() -> None:
    assert codes(trains("tty: true", f", {ROOT_POD}")).count("FTC529") == 1


def test_a_runtime_may_leave_the_image_to_its_train_job() -> None:
    runtime = (
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: ClusterTrainingRuntime\nmetadata: {name: torch}\n"
        "spec: {mlPolicy: {numNodes: 1, torch: {}}, template: {spec: {replicatedJobs: [{name: node, template: "
        "{metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}, spec: {template: {spec: "
        "{containers: [{name: node}]}}}}}]}}}\n"
    )
    assert "FTC502" not in codes(runtime)


@pytest.mark.parametrize(("second", "count"), [("low", 0), ("high", 1)])
def test_the_tasks_of_a_job_may_have_different_priority_classes(second: str, count: int) -> None:
    classes = ("high", second)
    tasks = [
        task(f"task-{n}", "1", "").replace("{spec: {", f"{{spec: {{priorityClassName: {name}, ", 1)
        for n, name in enumerate(classes)
    ]
    assert codes(gang(*tasks)).count("FTC527") == count
