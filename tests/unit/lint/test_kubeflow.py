"""JobSets, and the objects of Kubeflow Trainer: what lint knows of their pods, and what it does not."""

from __future__ import annotations

from textwrap import indent

import pytest

from ftc.diagnostics.model import Diagnostic, Severity
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from golden import cases

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
TRAINER = "trainer.kubeflow.org/v1alpha1"


def judged(*texts: str) -> tuple[Diagnostic, ...]:
    return lint([(f"{index}.yaml", text.encode()) for index, text in enumerate(texts)], NEWEST)


def places(*texts: str) -> set[tuple[str, str, int]]:
    """The code, the file and the line of each finding."""
    return {(d.code, d.position.source, d.position.line) for d in judged(*texts) if d.position}


def codes(*texts: str) -> set[str]:
    return {d.code for d in judged(*texts)}


def runtime(container: str = "", *, nodes: int = 2, kind: str = "TrainingRuntime", policy: str = "torch: {}") -> str:
    return f"""apiVersion: trainer.kubeflow.org/v1alpha1
kind: {kind}
metadata: {{name: llm{", namespace: team" if kind == "TrainingRuntime" else ""}}}
spec:
  mlPolicy: {{numNodes: {nodes}, {policy}}}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec:
            backoffLimit: 0
            template:
              spec:
                restartPolicy: Never
                containers:
                - name: node
                  image: registry.example.com/train:1.0
{indent(container, " " * 18)}"""


def train_job(trainer: str = "trainer: {numNodes: 2}", *, kind: str = "TrainingRuntime", name: str = "llm") -> str:
    return f"""apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{generateName: sft-, namespace: team}}
spec:
  runtimeRef: {{apiGroup: trainer.kubeflow.org, kind: {kind}, name: {name}}}
{indent(trainer, "  ")}"""


def test_the_four_mistakes_of_a_runtime_are_found() -> None:
    file = cases.CORPUS / "bad" / "FTC610-checkpoints-in-the-pods.yaml"
    text = file.read_text()
    lines = {
        "FTC609": "backoffLimit: 3",
        "FTC610": "output_dir: output",
        "FTC207": "overwrite_output_dir: true",
        "FTC888": "git push",
    }
    found = {(d.code, d.severity): text.splitlines()[d.position.line - 1] for d in judged(text) if d.position}
    assert all(lines[code] in found[code, Severity.WARNING] for code in lines)


def test_a_runtime_for_one_node_gets_notes_if_its_script_is_for_several() -> None:
    text = (cases.CORPUS / "bad" / "FTC610-checkpoints-in-the-pods.yaml").read_text()
    found = {d.code: d.severity for d in judged(text.replace("numNodes: 2", "numNodes: 1"))}
    assert {found[code] for code in ("FTC609", "FTC610", "FTC888")} == {Severity.NOTE}


def test_a_runtime_for_one_node_has_no_findings_if_its_script_is_for_one() -> None:
    command = "command: [bash, -c, 'torchrun --nproc_per_node=1 train.py && git push']"
    assert codes(runtime(command, nodes=1).replace("backoffLimit: 0", "backoffLimit: 3")) <= {"FTC889"}


@pytest.mark.parametrize("kind", ["TrainingRuntime", "ClusterTrainingRuntime"])
def test_the_pods_of_a_train_job_are_those_of_its_runtime(kind: str) -> None:
    """The command is in one file, the missing volume in the other."""
    mounts = "volumeMounts: [{name: data, mountPath: /data}]"
    trainer = "trainer:\n  numNodes: 4\n  command: [bash, -c, 'torchrun --nnodes=2 train.py']"
    found = places(train_job(trainer, kind=kind), runtime(mounts, kind=kind))
    assert found == {("FTC840", "0.yaml", 8), ("FTC224", "1.yaml", 20)}


def test_a_train_job_replaces_the_command_of_its_runtime() -> None:
    wrong = "command: [bash, -c, 'torchrun --nnodes=3 train.py']"
    right = "trainer: {command: [bash, -c, torchrun train.py]}"
    assert codes(runtime(wrong)) == {"FTC840"}
    assert codes(runtime(wrong), train_job(right)) == set()


def test_variables_of_a_train_job_replace_those_of_its_runtime() -> None:
    given = "env: [{name: EPOCHS, value: '1'}, {name: RUN, value: a}]"
    trainer = "trainer:\n  env:\n  - {name: RUN, value: b}\n  - {name: SEED, value: 1}"
    assert places(runtime(given), train_job(trainer)) == {("FTC803", "1.yaml", 9)}


def test_a_runtime_of_another_namespace_is_not_that_of_a_train_job() -> None:
    mounts = "volumeMounts: [{name: data, mountPath: /data}]"
    other = runtime(mounts).replace("namespace: team", "namespace: other")
    trainer = "trainer: {numNodes: 2, command: [bash, -c, 'git push']}"
    assert places(other, train_job(trainer)) == {("FTC224", "0.yaml", 20), ("FTC888", "1.yaml", 6)}


def test_the_pod_of_an_unknown_runtime_is_not_judged() -> None:
    """It may have an image, /dev/shm, variables and the number of processes."""
    trainer = """trainer:
  numNodes: 2
  command: [bash, -c, 'torchrun --nnodes=$NODES --node_rank=$RANK --master_addr=$MASTER_ADDR train.py']
  resourcesPerNode: {limits: {huawei.com/Ascend910: 8}}"""
    assert codes(train_job(trainer)) == set()


def test_an_overridden_pod_is_not_judged() -> None:
    trainer = """trainer: {numNodes: 2}
podTemplateOverrides:
- targetJobs: [{name: node}]
  spec: {volumes: [{name: data, emptyDir: {}}]}"""
    mounts = "volumeMounts: [{name: data, mountPath: /data}]"
    assert codes(runtime(mounts), train_job(trainer)) == set()


def test_the_controller_sets_the_variables_of_torchrun_only_with_settings_of_the_trainer() -> None:
    command = "command: [bash, -c, torchrun train.py]"
    assert codes(runtime(command), train_job()) == set()
    assert codes(runtime(command), train_job("suspend: true")) == {"FTC612"}
    assert codes(runtime(command, policy="jax: {}"), train_job("suspend: true")) == {"FTC844"}


def test_the_controller_sets_the_variables_of_torchrun_in_other_containers_on_request() -> None:
    sidecar = "- name: probe\n  image: a:1\n  command: [bash, -c, 'torchrun --nproc_per_node=1 probe.py']"
    text = runtime().rstrip() + "\n" + indent(sidecar, " " * 16)
    injected = "torch: {envInjection: {targets: [{jobName: node, containerNames: [probe]}]}}"
    assert codes(text, train_job()) == {"FTC844"}
    assert codes(text.replace("torch: {}", injected), train_job()) == set()


def test_a_train_job_may_set_the_variables_of_a_runtime() -> None:
    command = "command: [bash, -c, 'test $MASTER_ADDR && torchrun train.py']"
    assert codes(runtime(command)) == set()
    assert codes(runtime(command), train_job()) == {"FTC834"}


NPU = "command: [bash, -c, torchrun train.py]\nresources: {limits: {cpu: 4, huawei.com/Ascend910: 1}}"


@pytest.mark.parametrize(
    ("container", "policy", "expected"),
    [
        (NPU, "torch: {}", {"FTC608"}),
        (NPU, "torch: {numProcPerNode: auto}", {"FTC608"}),
        (NPU, "torch: {numProcPerNode: 1}", set()),
        (NPU, "jax: {}", set()),
        (NPU.replace("torchrun", "torchrun --nproc_per_node=1"), "torch: {}", set()),
        (NPU.replace("torchrun", "export PET_NPROC_PER_NODE=1; torchrun"), "torch: {}", set()),
        (NPU.replace("torchrun train.py", "echo $PET_NPROC_PER_NODE"), "torch: {}", set()),
        (NPU.replace("huawei.com/Ascend910", "nvidia.com/gpu"), "torch: {}", set()),
    ],
)
def test_torchrun_starts_as_many_processes_as_cpus_on_npus(container: str, policy: str, expected: set[str]) -> None:
    assert codes(runtime(container, nodes=1, policy=policy)) & {"FTC608"} == expected


def test_the_version_of_an_image_of_a_platform_is_not_the_release_of_the_trainer() -> None:
    text = (cases.CORPUS / "bad" / "FTC610-checkpoints-in-the-pods.yaml").read_text()
    image = text.replace("llamafactory:0.9.5", "fine_tune_with_llamafactory:v0.1.11")
    assert {d.code for d in judged(image)} == {d.code for d in judged(text)}


JOB_SET = """apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: sft}
spec:
  failurePolicy: {maxRestarts: 2}
  replicatedJobs:
  - name: worker
    template:
      spec:
        parallelism: 2
        completions: 2
        backoffLimit: 4
        template:
          spec:
            restartPolicy: Never
            containers:
            - name: train
              image: registry.example.com/train:1.0
              command: [bash, -c, "torchrun --nnodes=2 --node_rank=$JOB_COMPLETION_INDEX --master_addr=$HOST train.py"]
              env: [{name: HOST, value: sft-worker-0-0.sft}]
"""


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", {"FTC609"}),
        ("maxRestarts: 2", "maxRestarts: 2, restartStrategy: InPlaceRestart", set()),
        ("backoffLimit: 4", "backoffLimit: 0", set()),
        ("parallelism: 2\n        completions: 2", "parallelism: 1\n        completions: 1", set()),
        ("torchrun", "sleep 1; :", set()),
    ],
)
def test_a_job_set_restarts_all_its_pods(before: str, after: str, expected: set[str]) -> None:
    assert codes(JOB_SET.replace(before, after)) & {"FTC609"} == expected


def test_a_job_set_has_a_service_an_index_and_a_restart_policy_by_default() -> None:
    assert codes(JOB_SET.replace("backoffLimit: 4", "backoffLimit: 0").replace("restartPolicy: Never\n", "\n")) == set()


def test_the_pods_of_a_job_set_are_in_its_domain() -> None:
    text = JOB_SET.replace("backoffLimit: 4", "backoffLimit: 0")
    assert codes(text.replace("sft-worker-0-0.sft", "sft-worker-0-1.sft")) == {"FTC843"}
    assert codes(text.replace("sft-worker-0-0.sft", "sft-worker-0-0.pods")) == {"FTC843"}
    domain = text.replace("sft-worker-0-0.sft", "sft-worker-0-0.pods")
    assert codes(domain.replace("replicatedJobs:", "network: {subdomain: pods}\n  replicatedJobs:")) == set()


def test_a_job_set_creates_volumes_from_its_claim_templates() -> None:
    text = JOB_SET.replace("backoffLimit: 4", "backoffLimit: 0")
    text = text.replace("env: [", "volumeMounts: [{name: data, mountPath: /data}]\n              env: [")
    assert codes(text) == {"FTC224"}
    templates = "volumeClaimPolicies: [{templates: [{metadata: {name: data}, spec: {}}]}]"
    assert codes(text.replace("replicatedJobs:", f"{templates}\n  replicatedJobs:")) == set()


POLICY = """podFailurePolicy:
          rules:
          - {action: FailJob, onPodConditions: [], onExitCodes: {operator: In, values: [1]}}
        backoffLimit: 0"""


def test_an_empty_list_of_conditions_is_like_a_missing_one() -> None:
    text = JOB_SET.replace("backoffLimit: 4", POLICY)
    assert codes(text) == set()
    assert codes(text.replace(", onExitCodes: {operator: In, values: [1]}", "")) == {"FTC803"}
    assert codes(text.replace("[]", "[{type: DisruptionTarget}]")) == {"FTC803"}


@pytest.mark.parametrize(
    ("api", "kind", "path"),
    [
        ("kubeflow.org/v1", "PyTorchJob", "{pytorchReplicaSpecs: {Worker: {replicas: 2, template: POD}}}"),
        ("kubeflow.org/v2beta1", "MPIJob", "{mpiReplicaSpecs: {Launcher: {replicas: 1, template: POD}}}"),
        ("ray.io/v1", "RayCluster", "{headGroupSpec: {template: POD}}"),
        ("ray.io/v1", "RayJob", "{rayClusterSpec: {workerGroupSpecs: [{groupName: a, template: POD}]}}"),
        ("ray.io/v1", "RayJob", "{submitterPodTemplate: POD}"),
    ],
)
def test_the_pods_of_other_kinds_are_judged(api: str, kind: str, path: str) -> None:
    pod = "{spec: {containers: [{name: a, image: 'a:1', volumeMounts: [{name: data, mountPath: /data}]}]}}"
    text = f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {path.replace('POD', pod)}\n"
    assert codes(text) == {"FTC224"}


@pytest.mark.parametrize(
    ("text", "right"),
    [(JOB_SET, "jobset.x-k8s.io/v1alpha2"), (train_job(), TRAINER), (runtime(), TRAINER)],
    ids=["JobSet", "TrainJob", "TrainingRuntime"],
)
@pytest.mark.parametrize("wrong", ["jobset.sigs.k8s.io/v1alpha2", "kubeflow.org/v1", "batch/v1"])
def test_an_object_in_a_wrong_group_is_recognized(text: str, right: str, wrong: str) -> None:
    found = judged(text.replace(right, wrong, 1))
    assert [(d.code, d.path, d.message) for d in found if d.code == "FTC803"] == [
        ("FTC803", ("apiVersion",), f'is "{wrong}", but must be {right}')
    ]
    group = right.partition("/")[0]
    assert codes(text.replace(right, f"{group}/v1", 1)) == codes(text), "a later version"


def test_another_object_of_the_same_kind_is_not_judged() -> None:
    assert codes("apiVersion: example.com/v1\nkind: TrainJob\nmetadata: {name: a}\nspec: {image: a}\n") == {"FTC002"}
