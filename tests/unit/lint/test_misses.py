"""Mistakes in the launch of a training, each with the nearest form that works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
SHM = "volumeMounts: [{name: shm, mountPath: /dev/shm}]"


def judged(text: str) -> list[Diagnostic]:
    return list(lint([("job.yaml", text.encode())], NEWEST))


def codes(text: str) -> list[str]:
    return [d.code for d in judged(text)]


def gang(script: str, *, replicas: int = 2, gpus: int = 8, mounts: str = SHM) -> str:
    return f"""
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {{name: sft}}
spec:
  schedulerName: volcano
  policies: [{{events: [PodFailed, PodEvicted], action: RestartJob}}]
  plugins: {{svc: [], env: []}}
  tasks:
  - name: worker
    replicas: {replicas}
    policies: [{{event: TaskCompleted, action: CompleteJob}}]
    template:
      spec:
        restartPolicy: Never
        containers:
        - name: train
          image: registry.example.com/train:1.0
          resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}
          command: [bash, -c, {json.dumps(script)}]
          {mounts}
        volumes: [{{name: shm, emptyDir: {{medium: Memory, sizeLimit: 64Gi}}}}]
"""


MEET = "--node_rank=$VC_TASK_INDEX --master_addr=${VC_WORKER_HOSTS%%,*} --master_port=29500"
RUN = f"torchrun --nnodes=2 --nproc_per_node=8 {MEET} train.py"


@pytest.mark.parametrize(
    ("script", "replicas"),
    [
        (f"torchrun --standalone --nnodes=2 --nproc_per_node=8 {MEET} train.py", 2),
        ("torchrun --standalone --nproc_per_node=8 train.py", 2),
        ("deepspeed --num_gpus=8 train.py", 2),
        ("deepspeed --num_nodes=2 --num_gpus=8 train.py", 2),
    ],
)
def test_a_launcher_that_starts_in_each_pod_alone_is_an_error(script: str, replicas: int) -> None:
    assert codes(gang(f"set -e\n{script}", replicas=replicas)) == ["FTC844"]


@pytest.mark.parametrize(
    ("script", "replicas"),
    [
        ("torchrun --standalone --nproc_per_node=8 train.py", 1),
        ("torchrun --standalone --nproc_per_node=8 train.py --seed $VC_TASK_INDEX", 2),
        ("deepspeed --num_gpus=8 train.py", 1),
        ("deepspeed --num_nodes=2 --num_gpus=8 --hostfile=/etc/hosts.ds train.py", 2),
        (
            (
                "deepspeed --num_nodes=2 --num_gpus=8 --no_ssh --node_rank=$VC_TASK_INDEX"
                " --master_addr=${VC_WORKER_HOSTS%%,*} train.py"
            ),
            2,
        ),
    ],
)
def test_a_launcher_of_one_pod_or_of_known_hosts_passes(script: str, replicas: int) -> None:
    assert codes(gang(f"set -e\n{script}", replicas=replicas)) == []


@pytest.mark.parametrize(
    "tail",
    [
        "|| echo failed",
        "|| true",
        "|| :",
        "&& echo done || echo failed",
        "|| { echo failed; sleep 5; }",
    ],
)
def test_a_failure_that_is_turned_into_success_is_reported(tail: str) -> None:
    for head in ("set -euo pipefail\n", ""):
        assert codes(gang(f"{head}{RUN} {tail}")) == ["FTC883"]


@pytest.mark.parametrize(
    "tail",
    [
        "|| { echo failed; exit 1; }",
        "&& echo done || { echo failed; exit 1; }",
        "|| exit 1",
        "|| rc=$?\nexit $rc",
        "|| { echo failed; rc=1; }\nexit $rc",
        "\ngit push || echo 'not pushed'",
    ],
)
def test_a_failure_that_ends_the_script_passes(tail: str) -> None:
    assert codes(gang(f"set -e\n{RUN} {tail}")) in ([], ["FTC888"])


def test_a_step_before_the_training_may_fail() -> None:
    assert codes(gang(f"set -e\npython download.py || echo 'no data'\n{RUN}")) == []


INDEXED = """
apiVersion: batch/v1
kind: Job
metadata: {name: ddp}
spec:
  completionMode: Indexed
  completions: 2
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: train
        image: registry.example.com/train:1.0
        command: [bash, -c, "python launch.py"]
        env: [{name: MASTER_ADDR, value: ddp-0}]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x", "x"),
        ("value: ddp-0", "value: ddp-0.ddp"),
        ("MASTER_ADDR, value: ddp-0", "INIT_METHOD, value: 'tcp://ddp-0:29500'"),
        ('"python launch.py"', '"export MASTER_ADDR=ddp-0; python launch.py"'),
        ("restartPolicy", "subdomain: ddp\n      restartPolicy"),
    ],
)
def test_the_address_of_a_pod_needs_its_service(old: str, new: str) -> None:
    assert set(codes(INDEXED.replace(old, new))) == {"FTC869"}


def test_an_address_in_the_domain_of_the_service_resolves() -> None:
    text = INDEXED.replace("restartPolicy", "subdomain: ddp\n      restartPolicy").replace("ddp-0", "ddp-0.ddp")
    assert codes(text) == []
    assert codes(INDEXED.replace("ddp-0", "head.example.com")) == []


WORKERS = [
    (
        "llamafactory-cli train --stage sft --do_train true --model_name_or_path /m --dataset d --template qwen"
        " --finetuning_type lora --output_dir /o --dataloader_num_workers 8"
    ),
    "python train.py --num_workers=4",
    "python train.py --dataloader-num-workers 4",
]


@pytest.mark.parametrize("script", WORKERS)
def test_workers_of_the_data_loader_need_shared_memory(script: str) -> None:
    one = gang(f"set -e\n{script}", replicas=1, gpus=1, mounts="")
    assert "FTC634" in codes(one)
    assert "FTC634" not in codes(gang(f"set -e\n{script}", replicas=1, gpus=1))
    for number in ("8", "4"):
        one = one.replace(f"workers {number}", "workers 0").replace(f"workers={number}", "workers=0")
    assert "FTC634" not in codes(one)


CLONE = "GIT_LFS_SKIP_SMUDGE=1 git clone https://git.example.com/m/qwen"


@pytest.mark.parametrize(
    ("clone", "model", "expected"),
    [
        (f"{CLONE} /m/qwen", "/m/qwen", True),
        (f"cd /m\n{CLONE}", "/m/qwen", True),
        (f"{CLONE} /m/qwen --depth 1", "/m/qwen/", True),
        ("export GIT_LFS_SKIP_SMUDGE=1\ngit clone https://git.example.com/m/qwen.git /m/qwen", "/m/qwen", True),
        (f"{CLONE} /m/qwen", "/other", False),
        (f"{CLONE} /m/qwen\ncd /m/qwen && git lfs pull", "/m/qwen", False),
        (f"{CLONE} /m/qwen\nhf download a/b --local-dir /m/qwen", "/m/qwen", False),
        ("git clone https://git.example.com/m/qwen /m/qwen", "/m/qwen", False),
    ],
)
def test_pointers_of_lfs_are_not_weights(clone: str, model: str, *, expected: bool) -> None:
    script = f"set -e\n{clone}\npython train.py --model {model}"
    assert ("FTC711" in codes(gang(script, replicas=1, gpus=1))) is expected


@pytest.mark.parametrize(
    ("resource", "script", "expected"),
    [
        ("huawei.com/Ascend310P", "python train.py", True),
        ("huawei.com/ascend-310", "torchrun --nproc_per_node=8 a.py", True),
        ("huawei.com/Ascend310P", "python serve.py", False),
        ("huawei.com/Ascend910", "python train.py", False),
    ],
)
def test_a_chip_for_inference_does_not_train(resource: str, script: str, *, expected: bool) -> None:
    text = gang(f"set -e\n{script}", replicas=1).replace("nvidia.com/gpu", resource)
    assert ("FTC713" in codes(text)) is expected


QUEUE = """
apiVersion: scheduling.volcano.sh/v1beta1
kind: Queue
metadata: {name: %s}
spec: {weight: 1, capability: {cpu: 100, nvidia.com/gpu: %s}}
---
"""


@pytest.mark.parametrize(
    ("name", "capability", "least", "expected"),
    [
        ("default", "8", 2, True),
        ("default", '"15"', 2, True),
        ("default", "16", 2, False),
        ("other", "8", 2, False),
        ("default", "8", 1, False),
    ],
)
def test_a_gang_fits_into_its_queue(name: str, capability: str, least: int, *, expected: bool) -> None:
    text = gang(f"set -e\n{RUN}").replace("  plugins", f"  minAvailable: {least}\n  plugins")
    assert ("FTC715" in codes(QUEUE % (name, capability) + text)) is expected


@pytest.mark.parametrize("length", [60_000, 70_000])
def test_a_script_that_is_not_read_is_reported(length: int) -> None:
    script = f"set -e\necho {'a' * length}\ntorchrun --standalone --nproc_per_node=4 a.py"
    found = codes(gang(script, replicas=1))
    assert found == (["FTC717"] if length > 64_000 else ["FTC841"])


def test_the_name_of_a_key_is_not_a_secret() -> None:
    """Only values are redacted: a message without the key would not help."""
    text = INDEXED.replace("      containers:", "      hub_token: abcdefghij\n      containers:")
    said = CliRunner().invoke(cli, ["lint", "-"], input=text).stdout
    assert "'hub_token' is not a field of `spec`" in said
    assert "abcdefghij" not in said


def batch_job(*, labels: str = "{}", annotations: str = "{}", codes: str = "[1, 3]", more: str = "") -> str:
    return f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: sft}}
spec:
  backoffLimit: 1{more}
  podFailurePolicy: {{rules: [{{action: FailJob, onExitCodes: {{operator: In, values: {codes}}}}}]}}
  template:
    metadata: {{labels: {labels}, annotations: {annotations}}}
    spec:
      restartPolicy: Never
      containers: [{{name: train, image: registry.example.com/train:1.0, command: [sleep, '60']}}]
"""


ARMOR, TOLERATIONS = "container.apparmor.security.beta.kubernetes.io", "scheduler.alpha.kubernetes.io/tolerations"
COST = "controller.kubernetes.io/pod-deletion-cost"


@pytest.mark.parametrize(
    ("wrong", "right", "code"),
    [
        ({"codes": "[3, 1]"}, {"codes": "[1, 3]"}, "FTC557"),
        ({"codes": "[1, 1]"}, {"codes": "[1]"}, "FTC557"),
        ({"labels": "{job-name: other}"}, {"labels": "{job-name: sft}"}, "FTC581"),
        ({"labels": "{batch.kubernetes.io/job-name: x}"}, {"labels": "{batch.kubernetes.io/job-name: sft}"}, "FTC581"),
        (
            {"labels": "{job-name: x}"},
            {"labels": "{job-name: x}", "more": "\n  manualSelector: true\n  selector: {matchLabels: {job-name: x}}"},
            "FTC581",
        ),
        (
            {"annotations": f"{{{TOLERATIONS}: x}}"},
            {"annotations": f'{{{TOLERATIONS}: \'[{{"key": "a"}}]\'}}'},
            "FTC518",
        ),
        ({"annotations": f"{{{TOLERATIONS}: '{{}}'}}"}, {"annotations": f"{{{TOLERATIONS}: '[]'}}"}, "FTC518"),
        ({"annotations": f"{{{COST}: '1.5'}}"}, {"annotations": f"{{{COST}: '-5'}}"}, "FTC518"),
        ({"annotations": f"{{{COST}: '3000000000'}}"}, {"annotations": f"{{{COST}: '0'}}"}, "FTC518"),
        ({"annotations": f"{{{ARMOR}/tain: unconfined}}"}, {"annotations": f"{{{ARMOR}/train: unconfined}}"}, "FTC518"),
        ({"annotations": f"{{{ARMOR}/train: none}}"}, {"annotations": f"{{{ARMOR}/train: localhost/p}}"}, "FTC518"),
    ],
)
def test_what_the_server_refuses_in_a_job(wrong: dict[str, str], right: dict[str, str], code: str) -> None:
    assert codes(batch_job(**wrong)) == [code]
    assert codes(batch_job(**right)) == []


TRAINS = f"torchrun --nnodes=2 --nproc_per_node=8 {MEET} train.py"


@pytest.mark.parametrize(
    "script",
    [
        f"if ! {TRAINS}; then\n  echo failed\nfi",
        f"if ! OMP_NUM_THREADS=8 {TRAINS}; then echo failed >&2; fi\necho end",
        f'{TRAINS}; echo "exit: $?"',
        f'{TRAINS}\nprintf "code %s" $?',
    ],
)
def test_a_script_that_only_prints_a_failure(script: str) -> None:
    assert codes(gang(script)) == ["FTC883"]


@pytest.mark.parametrize(
    "script",
    [
        f"if ! {TRAINS}; then\n  echo failed\n  exit 1\nfi",
        f"if ! {TRAINS}; then code=1; fi\nexit $code",
        f"if ! {TRAINS}; then\n  if true; then echo a; fi\n  exit 1\nfi",
        f'{TRAINS}; echo "exit: $?"; exit $?',
        f'{TRAINS}\ncode=$?\necho "exit: $code"\nexit $code',
        f"if {TRAINS}; then echo good; else exit 1; fi",
    ],
)
def test_a_script_that_passes_a_failure_on(script: str) -> None:
    assert codes(gang(script)) == []


CLONE = "git clone https://huggingface.co/Qwen/Qwen2.5-7B /models/qwen"
READ = "torchrun --nproc_per_node=8 train.py --model_name_or_path /models/qwen"


@pytest.mark.parametrize("option", ["--skip-smudge", "-s", "--system --skip-smudge"])
def test_git_lfs_that_is_installed_without_the_download(option: str) -> None:
    script = f"set -e\ngit lfs install {option}\n{CLONE}\n{{}}{READ}"
    assert "FTC711" in codes(gang(script.format(""), replicas=1))
    assert "FTC711" not in codes(gang(script.format("(cd /models/qwen && git lfs pull)\n"), replicas=1))
    assert "FTC711" not in codes(gang(script.format("").replace(option, "--local"), replicas=1))


def test_the_pod_that_starts_the_others_over_ssh_may_use_its_own_address() -> None:
    rank_0 = "deepspeed --hostfile=/job/hostfile --master_addr=$(hostname -i) train.py --deepspeed ds.json"
    assert "FTC843" not in codes(gang(f'if [ "$VC_TASK_INDEX" = 0 ]; then\n  {rank_0}\nelse\n  sleep inf\nfi'))


def test_an_endpoint_of_a_pod_without_a_subdomain() -> None:
    text = """
apiVersion: batch/v1
kind: Job
metadata: {name: sft, labels: {kueue.x-k8s.io/queue-name: team}}
spec:
  backoffLimit: 0
  completionMode: Indexed
  completions: 2
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      subdomain: ranks
      containers:
      - name: train
        image: registry.example.com/train:1.0
        command: [bash, -c]
        args: ['torchrun --nnodes=2 --nproc_per_node=8 --rdzv_backend=c10d --rdzv_endpoint=sft-0.ranks:29500 train.py']
        resources: {limits: {nvidia.com/gpu: 8}}
        volumeMounts: [{name: shm, mountPath: /dev/shm}]
      volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 64Gi}}]
"""
    assert codes(text) == []
    assert codes(text.replace("      subdomain: ranks\n", "")) == ["FTC869"]
    assert codes(text.replace("sft-0.ranks:", "sft-0:")) == ["FTC843"]
    assert codes(text.replace("      subdomain: ranks\n", "").replace("sft-0.ranks", "rendezvous.other")) == []
