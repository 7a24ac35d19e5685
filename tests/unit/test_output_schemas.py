"""The output schemas: what ftc may write is accepted and the usual mistakes are refused, for each version."""

from __future__ import annotations

import copy
import json
import runpy
import shutil
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ftc.output_schemas import volcano_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from ftc.output_schemas import Schema

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
MINORS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
VOLCANOES = ("1.9", "1.10", "1.11", "1.12", "1.13", "1.14", "1.15")
ABSENT = object()

POD = """
metadata:
  labels: {app.kubernetes.io/name: qwen3-lora}
  annotations:
    ftc.dev/train.yaml: |
      stage: sft
      learning_rate: 1.0e-4
spec:
  restartPolicy: Never
  enableServiceLinks: false
  nodeSelector: {accelerator-type: module-910b-8}
  tolerations: [{key: npu, operator: Exists, effect: NoSchedule}]
  containers:
    - name: train
      image: registry.example.com/finetune:1.0
      imagePullPolicy: IfNotPresent
      command: [bash, /etc/ftc/train.sh]
      env:
        - {name: NNODES, value: "2"}
        - {name: JOB_NAME, valueFrom: {fieldRef: {fieldPath: "metadata.labels['volcano.sh/job-name']"}}}
      resources:
        requests: {cpu: 500m, memory: 1.5Gi, huawei.com/Ascend910: 8}
        limits: {cpu: "2", memory: 1e9, huawei.com/Ascend910: 8}
      volumeMounts: [{name: ftc, mountPath: /etc/ftc}]
  volumes:
    - name: ftc
      downwardAPI:
        items: [{path: train.yaml, fieldRef: {fieldPath: "metadata.annotations['ftc.dev/train.yaml']"}}]
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: 64Gi}
"""

VOLCANO_JOB = """
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata:
  generateName: qwen3-lora-
  namespace: team-a
  labels: {app.kubernetes.io/managed-by: ftc}
spec:
  schedulerName: volcano
  queue: default
  minAvailable: 2
  maxRetry: 3
  ttlSecondsAfterFinished: 86400
  plugins:
    svc: ["--publish-not-ready-addresses=true"]
    env: []
  policies:
    - {exitCode: 2, action: AbortJob}
    - {events: [PodEvicted, PodFailed], action: RestartJob}
    - {event: Unknown, action: RestartJob, timeout: 10m}
  volumes:
    - {mountPath: /workspace, volumeClaimName: workspace}
    - mountPath: /scratch
      volumeClaim: {accessModes: [ReadWriteMany], resources: {requests: {storage: 10Gi}}}
  tasks:
    - name: worker
      replicas: 2
      policies: [{event: TaskCompleted, action: CompleteJob}]
"""

BATCH_JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: qwen3-lora}
spec:
  completions: 2
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 4
  podReplacementPolicy: Failed
  podFailurePolicy:
    rules:
      - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
      - {action: FailJob, onExitCodes: {containerName: train, operator: In, values: [2]}}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: qwen3-lora}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {batch.kubernetes.io/job-name: qwen3-lora}
"""

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: workspace}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: nfs
  resources: {requests: {storage: 100Gi}}
"""


def read(*parts: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SCHEMAS.joinpath(*parts).read_bytes())
    return document


@cache
def kind(name: str, kubernetes: str) -> Validator:
    base = read("kubernetes", f"{kubernetes}.schema.json")
    return Draft202012Validator({"$ref": f"#/$defs/io.k8s.api.{name}", **base})


@cache
def parsed(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@cache
def with_pod(text: str) -> dict[str, Any]:
    """A VolcanoJob or a batch Job around the pod."""
    job = copy.deepcopy(parsed(text))
    owner = job["spec"]["tasks"][0] if "tasks" in job["spec"] else job["spec"]
    owner["template"] = parsed(POD)
    return job


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the value at a path set, or removed for ABSENT."""
    result: Any = copy.deepcopy(document)
    *parents, last = (int(part) if part.isdecimal() else part for part in path.split("/"))
    node = result
    for part in parents:
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return result  # type: ignore[no-any-return]


def messages(validator: Schema | Validator, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    single = (schema.get(key) for key in ("items", "additionalProperties", "propertyNames", "not"))
    several = (schema.get(key, {}).values() for key in ("properties", "$defs"))
    either = (schema.get(key, ()) for key in ("anyOf", "oneOf"))
    for inner in (*single, *chain(*several), *chain(*either)):
        if isinstance(inner, dict):
            yield from subschemas(inner)


# --- the files ---


def test_there_is_one_file_for_each_minor_of_kubernetes() -> None:
    assert {path.name for path in (SCHEMAS / "kubernetes").iterdir()} == {f"{minor}.schema.json" for minor in MINORS}


def test_the_files_are_what_the_script_makes() -> None:
    pytest.importorskip("kubernetes_validate")
    script = SCHEMAS / "make_kubernetes.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_was_edited_by_hand_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("kubernetes_validate")
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "schemas/kubernetes/1.34.schema.json").write_text("{}\n")
    (tmp_path / "schemas/kubernetes/1.30.schema.json").unlink()
    (tmp_path / "schemas/kubernetes/1.28.schema.json").write_text("{}\n")
    script = tmp_path / "schemas/make_kubernetes.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.rpartition("/")[2] for line in done.stderr.splitlines()] == [
        "1.28.schema.json",
        "1.30.schema.json",
        "1.34.schema.json",
    ]


@pytest.mark.parametrize("minor", MINORS)
def test_a_kubernetes_file_is_small_and_sound(minor: str) -> None:
    path = SCHEMAS / "kubernetes" / f"{minor}.schema.json"
    Draft202012Validator.check_schema(read("kubernetes", path.name))
    assert path.stat().st_size < 100_000
    assert path.read_bytes().endswith(b"}\n")


def test_the_volcano_schema_is_sound() -> None:
    Draft202012Validator.check_schema(read("volcano-job.schema.json"))


@pytest.mark.parametrize("minor", MINORS)
def test_every_object_is_closed_and_every_reference_leads_somewhere(minor: str) -> None:
    base, layer = read("kubernetes", f"{minor}.schema.json"), read("volcano-job.schema.json")
    for schema in (base, {**layer, "$defs": {**base["$defs"], **layer["$defs"]}}):
        for node in subschemas(schema):
            assert "null" not in node.get("type", ())
            assert "properties" not in node or node["additionalProperties"] is False
            assert "$ref" not in node or node["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def test_every_closer_field_is_a_field_of_the_newest_kubernetes() -> None:
    newest = read("kubernetes", f"{MINORS[-1]}.schema.json")["$defs"]
    for name, fields in runpy.run_path(str(SCHEMAS / "make_kubernetes.py"))["CLOSER"].items():
        assert {field: newest[name]["properties"][field] for field in fields} == fields


def test_lists_keep_the_key_that_their_items_are_merged_by() -> None:
    for minor in MINORS:
        defs = read("kubernetes", f"{minor}.schema.json")["$defs"]
        pod, container = (defs[f"io.k8s.api.core.v1.{name}"]["properties"] for name in ("PodSpec", "Container"))
        keys = [pod["containers"], pod["volumes"], container["env"], container["volumeMounts"]]
        assert [schema["x-kubernetes-patch-merge-key"] for schema in keys] == ["name", "name", "name", "mountPath"]


# --- what ftc writes ---


@pytest.mark.parametrize("kubernetes", MINORS)
@pytest.mark.parametrize("volcano", VOLCANOES)
def test_a_training_job_is_accepted_by_every_volcano(volcano: str, kubernetes: str) -> None:
    assert messages(volcano_job(volcano, kubernetes), with_pod(VOLCANO_JOB)) == []


@pytest.mark.parametrize("kubernetes", MINORS)
def test_a_batch_job_its_service_and_a_claim_are_accepted(kubernetes: str) -> None:
    assert messages(kind("batch.v1.Job", kubernetes), with_pod(BATCH_JOB)) == []
    assert messages(kind("core.v1.Service", kubernetes), parsed(SERVICE)) == []
    assert messages(kind("core.v1.PersistentVolumeClaim", kubernetes), parsed(CLAIM)) == []
    assert messages(kind("core.v1.PodTemplateSpec", kubernetes), parsed(POD)) == []


def test_the_smallest_job_is_accepted() -> None:
    pod = {"spec": {"containers": [{"name": "train"}]}}
    job = {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "a"},
        "spec": {"tasks": [{"replicas": 1, "template": pod}]},
    }
    assert messages(volcano_job("1.9", "1.29"), job) == []


# --- the usual mistakes ---

WRONG_JOBS = {
    "no apiVersion": ("apiVersion", ABSENT),
    "no kind": ("kind", ABSENT),
    "no spec": ("spec", ABSENT),
    "another apiVersion": ("apiVersion", "batch/v1"),
    "another kind": ("kind", "VolcanoJob"),
    "no metadata": ("metadata", ABSENT),
    "no name": ("metadata/generateName", ABSENT),
    "both kinds of name": ("metadata/name", "qwen3-lora"),
    "a prefix that the server would cut": ("metadata/generateName", "a" * 59),
    "a prefix in upper case": ("metadata/generateName", "Qwen3-"),
    "a label with a space": ("metadata/labels/team", "machine learning"),
    "a label that is a number": ("metadata/labels/size", 8),
    "metadata that the server writes": ("metadata/uid", "1"),
    "a status": ("status", {}),
    "minAvailble": ("spec/minAvailble", 2),
    "no task": ("spec/tasks", []),
    "replica": ("spec/tasks/0/replica", 2),
    "no replicas": ("spec/tasks/0/replicas", ABSENT),
    "replicas as a text": ("spec/tasks/0/replicas", "2"),
    "negative replicas": ("spec/tasks/0/replicas", -1),
    "replicas beyond 32 bits": ("spec/tasks/0/replicas", 2**31),
    "a task in upper case": ("spec/tasks/0/name", "Worker"),
    "a task name with a newline": ("spec/tasks/0/name", "worker\n"),
    "no template": ("spec/tasks/0/template", ABSENT),
    "a queue in upper case": ("spec/queue", "Default"),
    "minSuccess 0": ("spec/minSuccess", 0),
    "null": ("spec/maxRetry", None),
    "an unknown plugin": ("spec/plugins/torch", []),
    "plugin arguments as a text": ("spec/plugins/svc", "--disable-network-policy=true"),
    "a plugin flag without dashes": ("spec/plugins/svc/0", "publish-not-ready-addresses=true"),
    "a plugin flag split in two": ("spec/plugins/svc/0", "--publish-not-ready-addresses"),
    "a plugin flag that does not exist": ("spec/plugins/svc/0", "--publish-not-ready-address=true"),
    "an argument for env, which takes none": ("spec/plugins/env", ["--x=1"]),
    "a policy without action": ("spec/policies/0/action", ABSENT),
    "an unknown action": ("spec/policies/0/action", "Restart"),
    "an action of the controller's own": ("spec/policies/0/action", "SyncJob"),
    "an unknown event": ("spec/policies/2/event", "PodFail"),
    "an event of the controller's own": ("spec/policies/2/event", "OutOfSync"),
    "no event at all": ("spec/policies/1/events", []),
    "neither event nor exit code": ("spec/policies/2/event", ABSENT),
    "event and exit code": ("spec/policies/2/exitCode", 3),
    "events and exit code": ("spec/policies/1/exitCode", 3),
    "exit code 0": ("spec/policies/0/exitCode", 0),
    "a timeout in seconds": ("spec/policies/2/timeout", 600),
    "a timeout in words": ("spec/policies/2/timeout", "10 minutes"),
    "the same policy twice": ("spec/policies/0", {"event": "Unknown", "action": "RestartJob", "timeout": "10m"}),
    "no mount path": ("spec/volumes/0/mountPath", ABSENT),
    "a mount path with a colon": ("spec/volumes/0/mountPath", "/a:ro"),
    "no claim": ("spec/volumes/0/volumeClaimName", ABSENT),
    "two claims": ("spec/volumes/1/volumeClaimName", "scratch"),
    "the same volume twice": ("spec/volumes/1", {"mountPath": "/workspace", "volumeClaimName": "workspace"}),
    "an unknown access mode": ("spec/volumes/1/volumeClaim/accessModes/0", "ReadWriteAll"),
}

WRONG_PODS = {
    "no containers": ("spec/containers", ABSENT),
    "volumeMount": ("spec/containers/0/volumeMount", []),
    "a mount without a path": ("spec/containers/0/volumeMounts/0", {"name": "ftc"}),
    "command as a text": ("spec/containers/0/command", "bash /etc/ftc/train.sh"),
    "a container in upper case": ("spec/containers/0/name", "Train"),
    "a number as an environment value": ("spec/containers/0/env/0/value", 2),
    "env as a mapping": ("spec/containers/0/env", {"NNODES": "2"}),
    "null": ("spec/containers/0/env", None),
    "gb": ("spec/containers/0/resources/limits/memory", "64gb"),
    "a quantity with a space": ("spec/containers/0/resources/limits/memory", "64 Gi"),
    "a quantity that is true": ("spec/containers/0/resources/limits/cpu", True),
    "never": ("spec/restartPolicy", "never"),
    "Allways": ("spec/containers/0/imagePullPolicy", "Allways"),
    "NoSchedul": ("spec/tolerations/0/effect", "NoSchedul"),
    "Exist": ("spec/tolerations/0/operator", "Exist"),
    "memory as a medium": ("spec/volumes/1/emptyDir/medium", "memory"),
    "a selector that is a boolean": ("spec/nodeSelector/accelerator", True),
    "a label with a space": ("metadata/labels/team", "machine learning"),
    "an annotation that is a mapping": ("metadata/annotations/note", {"stage": "sft"}),
    "an annotation name with a space": ("metadata/annotations/bad key", "x"),
    "label": ("metadata/label", {}),
    "what the server writes": ("metadata/creationTimestamp", None),
    "a volume in upper case": ("spec/volumes/1/name", "SHM"),
}


@pytest.mark.parametrize("volcano", ["1.9", "1.12", "1.15"])
@pytest.mark.parametrize(("path", "value"), WRONG_JOBS.values(), ids=WRONG_JOBS)
def test_a_mistake_in_the_volcano_job_is_refused(path: str, value: object, volcano: str) -> None:
    wrong = changed(with_pod(VOLCANO_JOB), path, value)
    assert len(messages(volcano_job(volcano, "1.34"), wrong)) == 1


@pytest.mark.parametrize("minor", ["1.29", "1.37"])
@pytest.mark.parametrize(("path", "value"), WRONG_PODS.values(), ids=WRONG_PODS)
def test_a_mistake_in_the_pod_is_refused_in_every_kind_of_job(path: str, value: object, minor: str) -> None:
    batch = changed(with_pod(BATCH_JOB), f"spec/template/{path}", value)
    volcano = changed(with_pod(VOLCANO_JOB), f"spec/tasks/0/template/{path}", value)
    assert len(messages(kind("batch.v1.Job", minor), batch)) == 1
    assert len(messages(volcano_job("1.15", minor), volcano)) == 1


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        pytest.param(BATCH_JOB, "metadata/name", ABSENT, id="a job without a name"),
        pytest.param(BATCH_JOB, "spec/completion", 2, id="completion"),
        pytest.param(BATCH_JOB, "spec/completionMode", "indexed", id="indexed"),
        pytest.param(BATCH_JOB, "spec/podFailurePolicy/rules/1/onExitCodes/operator", "Is", id="an unknown operator"),
        pytest.param(BATCH_JOB, "spec/template", ABSENT, id="no template"),
        pytest.param(SERVICE, "kind", "service", id="service"),
        pytest.param(SERVICE, "spec/clusterIP", None, id="None read as null"),
        pytest.param(SERVICE, "spec/ports", [{"name": "rendezvous"}], id="a port without a number"),
        pytest.param(CLAIM, "spec/accessMode", ["ReadWriteMany"], id="accessMode"),
        pytest.param(CLAIM, "spec", ABSENT, id="no spec"),
    ],
)
def test_a_mistake_in_a_kubernetes_object_is_refused(text: str, path: str, value: object) -> None:
    right = with_pod(text) if text is BATCH_JOB else parsed(text)
    name = {"Job": "batch.v1.Job"}.get(right["kind"], f"core.v1.{right['kind']}")
    assert len(messages(kind(name, "1.34"), changed(right, path, value))) == 1


# --- the closed lists of words in a pod, as the API reference gives them ---

POD_WORDS = {
    "batch.v1.JobSpec/completionMode": "Indexed NonIndexed",
    "batch.v1.JobSpec/podReplacementPolicy": "Failed TerminatingOrFailed",
    "batch.v1.PodFailurePolicyOnExitCodesRequirement/operator": "In NotIn",
    "batch.v1.PodFailurePolicyRule/action": "Count FailIndex FailJob Ignore",
    "core.v1.AppArmorProfile/type": "Localhost RuntimeDefault Unconfined",
    "core.v1.Container/imagePullPolicy": "Always IfNotPresent Never",
    "core.v1.Container/restartPolicy": "Always Never OnFailure",
    "core.v1.Container/terminationMessagePolicy": "FallbackToLogsOnError File",
    "core.v1.ContainerPort/protocol": "SCTP TCP UDP",
    "core.v1.EmptyDirVolumeSource/medium": " Memory HugePages HugePages-2Mi",
    "core.v1.HTTPGetAction/scheme": "HTTP HTTPS",
    "core.v1.HostPathVolumeSource/type": " BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket",
    "core.v1.NodeSelectorRequirement/operator": "DoesNotExist Exists Gt In Lt NotIn",
    "core.v1.PersistentVolumeClaimSpec/volumeMode": "Block Filesystem",
    "core.v1.PodSecurityContext/fsGroupChangePolicy": "Always OnRootMismatch",
    "core.v1.PodSpec/dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
    "core.v1.PodSpec/preemptionPolicy": "Never PreemptLowerPriority",
    "core.v1.PodSpec/restartPolicy": "Always Never OnFailure",
    "core.v1.SeccompProfile/type": "Localhost RuntimeDefault Unconfined",
    "core.v1.ServicePort/protocol": "SCTP TCP UDP",
    "core.v1.ServiceSpec/sessionAffinity": "ClientIP None",
    "core.v1.ServiceSpec/type": "ClusterIP ExternalName LoadBalancer NodePort",
    "core.v1.Toleration/effect": " NoExecute NoSchedule PreferNoSchedule",
    "core.v1.Toleration/operator": " Equal Exists Gt Lt",
    "core.v1.TopologySpreadConstraint/nodeAffinityPolicy": "Honor Ignore",
    "core.v1.TopologySpreadConstraint/nodeTaintsPolicy": "Honor Ignore",
    "core.v1.TopologySpreadConstraint/whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
    "core.v1.VolumeMount/mountPropagation": "Bidirectional HostToContainer None",
    "core.v1.VolumeMount/recursiveReadOnly": "Disabled Enabled IfPossible",
}


@pytest.mark.parametrize(("field", "words"), POD_WORDS.items(), ids=POD_WORDS)
def test_a_field_takes_the_words_of_the_api_reference_and_no_other(field: str, words: str) -> None:
    name, _, key = field.partition("/")
    validator = kind(f"{name}/properties/{key}", MINORS[-1])
    assert [word for word in words.split(" ") if not validator.is_valid(word)] == []
    assert [wrong for wrong in ("Other", words.rpartition(" ")[2].lower(), None) if validator.is_valid(wrong)] == []


def test_a_claim_takes_every_access_mode() -> None:
    modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
    claim = changed(parsed(CLAIM), "spec/accessModes", modes)
    assert messages(kind("core.v1.PersistentVolumeClaim", "1.34"), claim) == []


@pytest.mark.parametrize("operator", ["DoesNotExist", "Exists", "In", "NotIn"])
def test_a_label_selector_takes_every_operator(operator: str) -> None:
    selector = {"matchExpressions": [{"key": "team", "operator": operator}]}
    job = changed(with_pod(BATCH_JOB), "spec/selector", selector)
    assert messages(kind("batch.v1.Job", "1.34"), job) == []


# --- words, flags and limits of the VolcanoJob ---

MOST = 2**31 - 1
LONG = "a" * 63

WORDS = {
    "spec/policies/0/action": "AbortJob CompleteJob RestartJob RestartPod RestartTask ResumeJob TerminateJob",
    "spec/policies/2/event": "* JobUpdated PodEvicted PodFailed PodPending TaskCompleted TaskFailed Unknown",
    "spec/tasks/0/topologyPolicy": "none best-effort restricted single-numa-node",
    "spec/tasks/0/dependsOn/iteration": "any all",
    "spec/networkTopology/mode": "hard soft",
    "spec/plugins/svc/0": "--publish-not-ready-addresses=false --disable-network-policy=true",
    "spec/plugins/ssh/0": "--ssh-key-file-path=/a --ssh-private-key=a --ssh-public-key=a --ssh-port=22",
    "spec/plugins/pytorch/0": "--master=a --worker=a-b --port=1 --wait-master-enabled=true --wait-master-timeout=9"
    " --wait-master-image=registry/busybox:1",
    "spec/plugins/tensorflow/0": "--ps=a --worker=a --chief=a --evaluator=a --port=2222",
    "spec/plugins/mpi/0": "--master=a --worker=a --port=22",
    "spec/plugins/hcclrank/0": "--master=a --worker=a",
    "spec/plugins/ray/0": "--head=a --worker=a --headContainer=a --workerContainer=a --port=1 --dashboardPort=2"
    " --clientPort=3",
}

WRONG_WORDS = {
    "spec/plugins/svc/0": ["--disable-network-policy=yes", "--disable-network-policy=true\n", 1],
    "spec/plugins/ssh/0": ["--ssh-port=a", "--ssh-port=22\n", "-ssh-port=22", "--ssh-key=a"],
    "spec/plugins/pytorch/0": [
        *[
            "--master=A",
            "--master=a\n",
            "--port=a",
            "--port=1\n",
            "--wait-master-enabled=1",
            "--wait-master-enabled=true\n",
        ],
        *["--wait-master-timeout=9s", "--wait-master-timeout=9\n", "--wait-master-image=", "--nodes=2"],
    ],
    "spec/plugins/tensorflow/0": ["--ps=A", "--ps=a\n", "--port=a", "--port=1\n", "--master=a"],
    "spec/plugins/mpi/0": ["--master=A", "--master=a\n", "--port=a", "--port=1\n", "--slots=8"],
    "spec/plugins/hcclrank/0": ["--master=A", "--master=a\n", "--port=1"],
    "spec/plugins/ray/0": ["--head=A", "--head=a\n", "--port=a", "--port=1\n", "--address=a"],
}

LIMITS = [
    (
        "metadata",
        [{"name": LONG}, {"name": "a1-b"}],
        [{"name": LONG + "a"}, {"name": "1a"}, {"name": "a\n"}, {"name": 1}],
    ),
    ("metadata/generateName", ["a" * 58], ["a" * 59, "a.", "a\n", 1]),
    ("metadata/namespace", [LONG, "1"], [LONG + "a", "a.b", "a\n", 1]),
    ("metadata/annotations", [{"ftc.dev/a_b.sh": "#!\n", "A.b/C": ""}], [{"a": 1}, {"a/b/c": ""}, []]),
    ("spec/schedulerName", [LONG], [LONG + "a", 1]),
    ("spec/queue", ["a.b-1", "a" * 253], ["a" * 254, "a_b", "a\n", 1]),
    ("spec/minSuccess", [1, MOST], [0, MOST + 1]),
    ("spec/minAvailable", [0, MOST], [-1, MOST + 1]),
    ("spec/runningEstimate", ["1h30m", "1.5s", "10ms"], ["", "10", "1d", "1 h", "1h\n", 1]),
    ("spec/networkTopology/highestTierAllowed", [0, 1], [-1, "1"]),
    ("spec/networkTopology", [{"highestTierName": "a" * 253}], [{"highestTierName": "a" * 254}]),
    ("spec/policies/0/exitCode", [1, -1, MOST, -MOST - 1], [0, MOST + 1, -MOST - 2]),
    ("spec/tasks/0/name", [LONG, "1"], [LONG + "a", "a.b", "a\n", 1]),
    ("spec/tasks/0/partitionPolicy/totalPartitions", [1, MOST], [0, MOST + 1]),
    ("spec/tasks/0/partitionPolicy/partitionSize", [1, MOST], [0, MOST + 1]),
]


def newest_job() -> dict[str, Any]:
    """The training job with every field that only the newest Volcano has."""
    job = changed(with_pod(VOLCANO_JOB), "spec/networkTopology", {"mode": "soft"})
    job = changed(job, "spec/tasks/0/partitionPolicy", {"totalPartitions": 2, "partitionSize": 1})
    job = changed(job, "spec/tasks/0/dependsOn", {"name": []})
    plugins = {name: ["--worker=a"] for name in ("pytorch", "tensorflow", "mpi", "hcclrank", "ray")}
    return changed(job, "spec/plugins", job["spec"]["plugins"] | plugins | {"ssh": ["--ssh-port=22"]})


def verdicts(path: str, values: list[Any]) -> list[bool]:
    return [volcano_job("1.15", "1.35").is_valid(changed(newest_job(), path, value)) for value in values]


@pytest.mark.parametrize(("path", "words"), WORDS.items(), ids=WORDS)
def test_every_documented_word_and_flag_is_accepted(path: str, words: str) -> None:
    assert [word for word, good in zip(words.split(), verdicts(path, words.split()), strict=True) if not good] == []


@pytest.mark.parametrize(("path", "words"), WRONG_WORDS.items(), ids=WRONG_WORDS)
def test_a_flag_that_volcano_would_stop_at_is_refused(path: str, words: list[Any]) -> None:
    assert [word for word, good in zip(words, verdicts(path, words), strict=True) if good] == []


@pytest.mark.parametrize(("path", "good", "bad"), LIMITS, ids=[path for path, _, _ in LIMITS])
def test_a_value_is_accepted_up_to_its_limit(path: str, good: list[Any], bad: list[Any]) -> None:
    assert verdicts(path, good) == [True] * len(good)
    assert verdicts(path, bad) == [False] * len(bad)


# --- versions ---

NEWER_FIELDS = {
    "PodPending": ("1.11", "spec/policies/2/event", "PodPending"),
    "RestartPod": ("1.11", "spec/policies/0/action", "RestartPod"),
    "networkTopology": ("1.12", "spec/networkTopology", {"mode": "hard", "highestTierAllowed": 1}),
    "ray": ("1.13", "spec/plugins/ray", ["--head=head"]),
    "hcclrank": ("1.13", "spec/plugins/hcclrank", ["--master=worker"]),
    "RestartPartition": ("1.14", "spec/policies/0/action", "RestartPartition"),
    "highestTierName": ("1.14", "spec/networkTopology", {"highestTierName": "rack"}),
    "partitionPolicy": ("1.14", "spec/tasks/0/partitionPolicy", {"totalPartitions": 2, "partitionSize": 1}),
    "--wait-master-enabled": ("1.14", "spec/plugins/pytorch", ["--wait-master-enabled=true"]),
    "--wait-master-timeout": ("1.14", "spec/plugins/pytorch", ["--wait-master-timeout=600"]),
    "--wait-master-image": ("1.14", "spec/plugins/pytorch", ["--wait-master-image=busybox:1.36.1"]),
    "--ssh-port": ("1.15", "spec/plugins/ssh", ["--ssh-port=2222"]),
}


@pytest.mark.parametrize(("since", "path", "value"), NEWER_FIELDS.values(), ids=NEWER_FIELDS)
def test_a_field_is_accepted_from_its_volcano_on(since: str, path: str, value: object) -> None:
    job = changed(with_pod(VOLCANO_JOB), path, value)
    accepting = [volcano for volcano in VOLCANOES if not messages(volcano_job(volcano, "1.29"), job)]
    assert accepting == list(VOLCANOES[VOLCANOES.index(since) :])


def test_every_field_with_a_version_is_in_the_table_above() -> None:
    nodes = subschemas(read("volcano-job.schema.json"))
    marked = [node["x-volcano-since"] for node in nodes if "x-volcano-since" in node]
    assert sorted(marked) == sorted(since for since, _, _ in NEWER_FIELDS.values())


def test_every_volcano_names_the_kubernetes_of_its_pod() -> None:
    schema = read("volcano-job.schema.json")
    assert schema["x-volcano-oldest"] == "1.9"
    assert schema["x-volcano-kubernetes"] == dict(zip(VOLCANOES, MINORS, strict=False))


def test_a_pod_field_is_accepted_from_its_kubernetes_on() -> None:
    pod = changed(parsed(POD), "spec/resources", {"limits": {"cpu": "2"}})
    accepting = [minor for minor in MINORS if not messages(kind("core.v1.PodTemplateSpec", minor), pod)]
    assert accepting == ["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]


def test_an_old_volcano_refuses_a_pod_field_that_the_cluster_knows() -> None:
    job = changed(with_pod(VOLCANO_JOB), "spec/tasks/0/template/spec/resources", {"limits": {"cpu": "2"}})
    accepting = [volcano for volcano in VOLCANOES if not messages(volcano_job(volcano, "1.34"), job)]
    assert accepting == ["1.12", "1.13", "1.14", "1.15"]


# --- quantities ---


@pytest.mark.parametrize(
    "value", ["1", "1.5Gi", ".5", "2.", "500m", "1k", "100n", "1E", "1e3", "1E-3", "+1", "-1", 8, 0]
)
def test_a_quantity_is_accepted(value: object) -> None:
    pod = changed(parsed(POD), "spec/containers/0/resources/limits/memory", value)
    job = changed(with_pod(VOLCANO_JOB), "spec/tasks/0/template", pod)
    assert messages(kind("core.v1.PodTemplateSpec", "1.34"), pod) == []
    assert messages(volcano_job("1.15", "1.34"), job) == []


@pytest.mark.parametrize(
    "value", ["", ".", "Gi", "1Gb", "1 Gi", "1K", "1gi", "1e", "1e1.5", "1,5", "0x10", "1Gi\n", None, []]
)
def test_what_is_not_a_quantity_is_refused(value: object) -> None:
    pod = changed(parsed(POD), "spec/containers/0/resources/limits/memory", value)
    job = changed(with_pod(VOLCANO_JOB), "spec/tasks/0/template", pod)
    assert messages(kind("core.v1.PodTemplateSpec", "1.34"), pod)
    assert messages(volcano_job("1.15", "1.34"), job)


def test_half_a_cpu_as_a_number_is_a_quantity_of_kubernetes_but_not_of_volcano() -> None:
    pod = changed(parsed(POD), "spec/containers/0/resources/limits/cpu", 0.5)
    job = changed(with_pod(VOLCANO_JOB), "spec/tasks/0/template", pod)
    assert messages(kind("core.v1.PodTemplateSpec", "1.34"), pod) == []
    assert messages(volcano_job("1.15", "1.34"), job) == [
        "$.spec.tasks[0].template.spec.containers[0].resources.limits.cpu: 0.5 is not of type 'string', 'integer'"
    ]
