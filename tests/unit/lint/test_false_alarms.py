"""What the server and the trainers accept gives no finding, however unusual it is."""

from __future__ import annotations

import pytest
import yaml

from ftc.lint import Versions, lint
from ftc.output_schemas import volcano_versions

VOLCANO = volcano_versions()[-1]


def codes(text: str, kubernetes: str = "1.36") -> list[str]:
    return [d.code for d in lint([("job.yaml", text.encode())], Versions(kubernetes, VOLCANO))]


def gang(*tasks: str, name: str = "sft", plugins: str = "{svc: [], env: []}", queue: str = "default") -> str:
    head = f"apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n"
    head += f"  schedulerName: volcano\n  queue: {queue}\n  plugins: {plugins}\n"
    return f"{head}  policies: [{{events: [PodFailed, PodEvicted], action: RestartJob}}]\n  tasks:\n{''.join(tasks)}"


def task(name: str, replicas: str, container: str) -> str:
    pod = "restartPolicy: Never, volumes: [{name: shm, emptyDir: {medium: Memory}}]"
    mounts = "volumeMounts: [{name: shm, mountPath: /dev/shm}]"
    made = f"{{name: a, image: 'registry.example.com/a:1', {mounts}{container}}}"
    return f"  - {{name: {name}, replicas: {replicas}, template: {{spec: {{{pod}, containers: [{made}]}}}}}}\n"


GPU = ", resources: {limits: {nvidia.com/gpu: 8}}"
LAUNCH = (
    ", command: [torchrun, --nproc_per_node=8, --nnodes=%d, --node_rank=0,"
    " --master_addr=$(VC_MASTER_HOSTS), --master_port=29500, train.py]"
)


@pytest.mark.parametrize("command", ["[/opt/start.sh]", "[python, run.py]", "[bash, -c, 'sh run.sh']", ""])
def test_workers_whose_script_is_in_the_image_may_run_the_launcher(command: str) -> None:
    worker = f", command: {command}" if command else ""
    text = gang(task("master", "1", LAUNCH % 4 + GPU), task("worker", "3", worker + GPU))
    assert codes(text) == []
    assert "FTC840" in codes(text.replace("--nnodes=4", "--nnodes=5"))


def test_a_task_without_containers_may_run_the_launcher() -> None:
    worker = "  - {name: worker, replicas: 3, template: {spec: {restartPolicy: Never, containers: []}}}\n"
    assert "FTC840" not in codes(gang(task("master", "1", LAUNCH % 4 + GPU), worker))


def test_a_wrong_number_of_nodes_is_never_the_number_that_is_suggested() -> None:
    text = gang(task("master", "1", LAUNCH % 4 + GPU), task("other", "3", ", command: [sleep, '60']"))
    (found,) = [d for d in lint([("a.yaml", text.encode())], Versions("1.36", VOLCANO)) if d.code == "FTC840"]
    assert found.message == "torchrun expects 4 nodes, but only 1 of the 4 pods run it"
    assert found.help.startswith("write 1,")


IDLE = ["nvidia-smi && sleep 600", "sleep inf", "while true; do date; sleep 5; done", "python -c 'print(1)'"]


@pytest.mark.parametrize("script", IDLE)
def test_pods_that_do_not_train_need_no_host_names(script: str) -> None:
    text = gang(task("probe", "2", f', command: [bash, -c, "{script}"]{GPU}'), plugins="{}")
    assert codes(text) == []
    assert "FTC832" in codes(text.replace(script, "python train.py"))


def test_half_a_gang_that_does_not_train_is_enough() -> None:
    text = gang(task("probe", "2", f", command: [sleep, inf]{GPU}")).replace("  queue", "  minAvailable: 1\n  queue")
    assert codes(text) == []


def cron(kind: str, claim_namespace: str) -> str:
    pod = "spec: {restartPolicy: OnFailure, containers: [{name: a, image: 'a.example.com/a:1',"
    pod += " volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, configMap: {name: script}}]}"
    inner = f"{{template: {{{pod}}}}}"
    spec = f"{{schedule: '0 * * * *', jobTemplate: {{spec: {inner}}}}}" if kind == "CronJob" else inner
    version = "batch/v1" if kind == "CronJob" else "apps/v1"
    data = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: script, namespace: {claim_namespace}}}\ndata: {{a: b}}\n"
    )
    return f"{data}---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: c, namespace: ops}}\nspec: {spec}\n"


@pytest.mark.parametrize("kind", ["CronJob", "Deployment"])
def test_pods_are_in_the_namespace_of_the_object_that_creates_them(kind: str) -> None:
    assert codes(cron(kind, "ops")) == []
    assert codes(cron(kind, "default")) == ["FTC859"]


def test_a_name_begins_with_a_digit_from_kubernetes_1_36_on() -> None:
    text = gang(task("worker", "1", ""), name='"7b-sft"')
    assert codes(text) == []
    assert codes(text, "1.35") == ["FTC822"]


def test_an_empty_queue_is_the_default_queue() -> None:
    assert codes(gang(task("worker", "1", ""), queue='""')) == []
    assert codes(gang(task("worker", "1", ""), queue="Team")) == ["FTC803"]


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    text = gang(task("worker", "2.0", "")).replace("  queue", "  minAvailable: 2.0\n  queue")
    assert codes(text) == []
    assert codes(text.replace("minAvailable: 2.0", "minAvailable: 3.0")) == ["FTC805"]
    assert codes(text.replace("replicas: 2.0", "replicas: 2.5")) == ["FTC803"]


def test_a_running_job_has_the_name_of_the_claim_that_was_created_for_it() -> None:
    """Volcano writes the name back, next to the claim (job_controller_actions.go, createJobIOIfNotExist)."""
    job = yaml.safe_load(gang(task("worker", "1", "")))
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    job["spec"]["volumes"] = [{"mountPath": "/w", "volumeClaim": claim, "volumeClaimName": "sft-pvc-0123456789ab"}]
    assert codes(yaml.safe_dump(job)) == ["FTC853"], "a new job with both is refused"
    job["metadata"] |= {"uid": "0", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    job["status"] = {"state": {"phase": "Running"}, "running": 1}
    listed = {"apiVersion": "v1", "kind": "List", "items": [job], "metadata": {"resourceVersion": ""}}
    assert codes(yaml.safe_dump(listed)) == []


BATCH = """
apiVersion: batch/v1
kind: Job
metadata: {name: ddp}
spec:
  completions: 2
  parallelism: 2
  template:
    metadata: {}
    spec:
      restartPolicy: Never
      containers:
      - name: a
        image: registry.example.com/a:1
        command: [torchrun, --nnodes=2, --nproc_per_node=1, --rdzv_backend=c10d, --rdzv_endpoint=head:29400, a.py]
"""


def test_a_rendezvous_outside_of_the_job_assigns_the_ranks() -> None:
    assert codes(BATCH) == []
    static = "--node_rank=0, --master_addr=head"
    assert "FTC867" in codes(BATCH.replace("--rdzv_backend=c10d, --rdzv_endpoint=head:29400", static))


def test_an_indexed_job_of_one_pod_needs_no_completions() -> None:
    """SetDefaults_Job in Kubernetes sets both to 1 if both are missing."""
    text = BATCH.replace("  completions: 2\n  parallelism: 2\n", "  completionMode: Indexed\n")
    text = text.replace("--nnodes=2", "--nnodes=1")
    assert codes(text) == []
    assert codes(text.replace("  completionMode", "  parallelism: 1\n  completionMode")) == ["FTC867"]


SIDECAR = "      volumes: [{name: %s, emptyDir: {}}]\n"


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("gke-gcsfuse-cache", "{}"),
        ("cache", '{annotations: {gke-gcsfuse/volumes: "true"}}'),
        ("istio-data", '{annotations: {sidecar.istio.io/inject: "true"}}'),
        ("secrets", '{annotations: {vault.hashicorp.com/agent-inject: "true"}}'),
        ("fuse", '{labels: {serverless.fluid.io/inject: "true"}}'),
    ],
)
def test_a_container_that_a_webhook_adds_may_mount_a_volume(name: str, metadata: str) -> None:
    text = BATCH.replace("metadata: {}", f"metadata: {metadata}") + SIDECAR % name
    assert codes(text) == []
    assert codes(BATCH + SIDECAR % "data") == ["FTC851"]


def test_a_setting_of_the_accelerate_that_ktransformers_requires_passes() -> None:
    """LLaMA-Factory 0.9.5, examples/ktransformers/accelerate."""
    text = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nnum_processes: 2\nkt_config: {enabled: true}\n"
    assert codes(text) == []
    assert codes(text.replace("kt_config", "fsdp_confg")) == ["FTC900"]


@pytest.mark.parametrize("size", ["512Ki", "1e9", "0", '"16"', "16", "16000m"])
@pytest.mark.parametrize(
    "text",
    [
        gang(task("worker", "1", "")).replace("medium: Memory", "medium: Memory, sizeLimit: SIZE"),
        gang(task("worker", "1", ", resources: {limits: {memory: 8Gi}, requests: {memory: SIZE}}")),
        (
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\n"
            "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: SIZE}}}\n"
        ),
        (
            "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: a}\nspec: {trainer: "
            "{resourcesPerNode: {requests: {ephemeral-storage: SIZE}}}, runtimeRef: {name: torch-distributed}}\n"
        ),
    ],
    ids=["directory", "container", "claim", "train-job"],
)
def test_a_small_size_with_a_unit_passes(text: str, size: str) -> None:
    found = [code for code in codes(text.replace("SIZE", size)) if code == "FTC531"]
    assert found == ["FTC531"] * size.strip('"').startswith("16")


def test_a_label_is_not_a_size() -> None:
    text = gang(task("worker", "1", "")).replace("{spec:", "{metadata: {labels: {sizeLimit: '1'}}, spec:")
    assert codes(text) == []


@pytest.mark.parametrize(("first", "second", "expected"), [("0", "6Gi", []), ("4Gi", "4Gi", ["FTC633"])])
def test_a_volume_in_memory_counts_once_and_0_is_no_limit(first: str, second: str, expected: list[str]) -> None:
    mounts = "volumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /c}, {name: b, mountPath: /b}]"
    directories = "".join(
        f", {{name: {name}, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}"
        for name, size in (("a", first), ("b", second))
    )
    text = gang(task("worker", "1", ", resources: {limits: {memory: 8Gi}}"))
    text = text.replace("volumeMounts: [", f"{mounts[:-1]}, ").replace("{medium: Memory}}", f"{{}}}}{directories}")
    assert codes(text) == expected


@pytest.mark.parametrize("variable", ["NPROC_PER_NODE", "PROCESSES"])
def test_only_several_processes_need_shared_memory(variable: str) -> None:
    told = f", env: [{{name: {variable}, value: '8'}}], command: [bash, /opt/start.sh]{GPU}"
    text = gang(task("worker", "1", told))
    assert codes(text) == []
    assert codes(text.replace("mountPath: /dev/shm", "mountPath: /cache")) == ["FTC634"] * (
        variable == "NPROC_PER_NODE"
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("ports: [{containerPort: 80, hostPort: 80}]", []),
        ("ports: [{containerPort: 80}]", []),
        ("ports: [{containerPort: 80, hostPort: 81}]", ["FTC528"]),
        ("ports: [{containerPort: 80, hostPort: 65536}]", ["FTC803"]),
        ("env: [{name: A, value: '', valueFrom: {fieldRef: {fieldPath: status.podIP}}}]", []),
        ("env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]", ["FTC528"]),
    ],
)
def test_settings_of_a_container_may_agree(more: str, expected: list[str]) -> None:
    text = gang(task("worker", "1", f", {more}"))
    assert (
        codes(text.replace("{restartPolicy", "{hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet, restartPolicy"))
        == expected
    )
    if "81" in more:
        assert codes(text) == []


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ("operator: Exists", []),
        ("key: a, effect: NoExecute, tolerationSeconds: 5", []),
        ("{}", ["FTC523"]),
        ("key: a, tolerationSeconds: 5", ["FTC523"]),
        ("key: a, operator: Exists, value: b", ["FTC523"]),
        ("key: a, operator: Exists, effect: Evict", ["FTC803"]),
    ],
)
def test_a_toleration_has_one_finding(toleration: str, expected: list[str]) -> None:
    text = gang(task("worker", "1", ""))
    assert (
        codes(text.replace("{restartPolicy", f"{{tolerations: [{{{toleration.strip('{}')}}}], restartPolicy"))
        == expected
    )


ROOT, SYSCTL = "securityContext: {runAsUser: 0}", "securityContext: {sysctls: [{name: %s, value: '1'}]}"


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [
        (ROOT, "", []),
        ("securityContext: {runAsNonRoot: true}", f", {ROOT}", ["FTC529"]),
        ("securityContext: {runAsNonRoot: true, runAsUser: 0}", ", securityContext: {runAsUser: 1000}", []),
        ("hostUsers: false", "", []),
        ("hostUsers: false, hostIPC: true", "", ["FTC529"]),
        ("hostUsers: true, hostIPC: true", "", []),
        (SYSCTL % "net.core.somaxconn", "", []),
        (f"hostNetwork: true, {SYSCTL % 'net/core/somaxconn'}", "", ["FTC529"]),
        (f"hostNetwork: true, {SYSCTL % 'kernel.shmmax'}", "", []),
    ],
)
def test_settings_of_a_pod_may_agree(pod: str, container: str, expected: list[str]) -> None:
    text = gang(task("worker", "1", container)).replace("{restartPolicy", f"{{{pod}, restartPolicy")
    assert codes(text) == expected


def devices(limits: str, container: str = "", pod: str = "") -> str:
    made = f", resources: {{limits: {{{limits}}}}}{container}"
    return gang(task("worker", "1", made)).replace("restartPolicy: Never", f"restartPolicy: Never{pod}")


ON_A_RING = ", nodeSelector: {accelerator-type: module}"
IN_A_BOX = ", nodeSelector: {accelerator-type: module-910b-16}"


@pytest.mark.parametrize(
    ("limits", "pod"),
    [
        ("huawei.com/Ascend910: 3", ""),
        ("huawei.com/Ascend910: 3", ", nodeSelector: {accelerator-type: module-910b-8}"),
        ("huawei.com/Ascend910: 3", f", schedulerName: default-scheduler{ON_A_RING}"),
        ("huawei.com/Ascend910: 4", ON_A_RING),
        ("huawei.com/Ascend910: 10", IN_A_BOX),
        ("amd.com/gpu: 3", ""),
        ("hygon.com/dcunum: 4", ""),
        ("nvidia.com/gpu: 3", ", nodeSelector: {accelerator-type: module}"),
    ],
)
def test_a_number_that_some_node_allocates_is_accepted(limits: str, pod: str) -> None:
    assert "FTC308" not in codes(devices(limits, pod=pod))


@pytest.mark.parametrize(
    ("limits", "pod"),
    [
        ("huawei.com/Ascend910: 3", ON_A_RING),
        ("huawei.com/Ascend910: 9", IN_A_BOX),
        ("huawei.com/Ascend910-12c.3cpu.32g: 2", ""),
        ("hygon.com/dcunum: 2, hygon.com/dcumem: 4000", ""),
    ],
)
def test_a_number_that_no_node_allocates_is_reported(limits: str, pod: str) -> None:
    assert "FTC308" in codes(devices(limits, pod=pod))


def test_the_memory_of_a_share_depends_on_the_chip() -> None:
    assert "FTC310" not in codes(devices("metax-tech.com/sgpu: 1, metax-tech.com/vmemory: 128"))
    assert "FTC310" not in codes(devices("nvidia.com/gpu: 1, nvidia.com/gpumem: 143000"))
    assert "FTC310" in codes(devices("huawei.com/Ascend910B3: 1, huawei.com/Ascend910B3-memory: 65537"))


@pytest.mark.parametrize(
    "context", ["privileged: true", "capabilities: {add: [IPC_LOCK]}", "capabilities: {add: [ALL]}"]
)
def test_a_container_that_may_lock_memory_has_an_rdma_device(context: str) -> None:
    limits = "nvidia.com/gpu: 8, rdma/hca: 1"
    assert "FTC320" not in codes(devices(limits, f", securityContext: {{{context}}}"))
    assert "FTC320" in codes(devices(limits, ", securityContext: {runAsUser: 1000}"))


def test_a_container_with_a_device_and_an_unknown_program_may_train() -> None:
    helper = "{name: b, image: 'b.example.com/b:1', %sresources: {limits: {nvidia.com/gpu: 1}}}"
    for command, reported in (
        ("", False),
        ("command: [python, -m, vllm.server], ", False),
        ("command: [sleep, inf], ", True),
    ):
        text = devices("nvidia.com/gpu: 1").replace("containers: [", f"containers: [{helper % command}, ")
        assert ("FTC533" in codes(text)) is reported
    alone = devices("nvidia.com/gpu: 1", ", command: [nvidia-smi]")
    assert "FTC533" not in codes(alone)
