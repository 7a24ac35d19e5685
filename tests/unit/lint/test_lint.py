"""The findings of lint on whole inputs: a beginner's job, everything that ftc writes, several files, odd bytes."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ftc.diagnostics.model import Diagnostic, Severity
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from golden import cases

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])


def judged(*texts: str | bytes, versions: Versions = NEWEST) -> tuple[Diagnostic, ...]:
    files = [text.encode() if isinstance(text, str) else text for text in texts]
    return lint([(f"{index}.yaml", raw) for index, raw in enumerate(files)], versions)


def codes(*texts: str | bytes, versions: Versions = NEWEST) -> set[str]:
    return {diagnostic.code for diagnostic in judged(*texts, versions=versions)}


def test_a_first_job_has_the_findings_in_its_comments() -> None:
    text = (Path(__file__).parent / "first_job.yaml").read_text()
    expected = Counter(
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"FTC\d+", line.partition("# FTC")[1] + line.partition("# FTC")[2])
    )
    found = Counter((d.position.line, d.code) for d in judged(text) if d.position)
    assert found == expected
    assert not any(d.severity is Severity.ERROR and d.code != "FTC875" for d in judged(text))


WRITTEN = [
    file
    for file in sorted(cases.SCENARIOS.glob("*/*.yaml"))
    if file.name in ("volcano.yaml", "job.yaml", "train.yaml", "merge.yaml")
]


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_output_of_ftc_passes(file: Path) -> None:
    text = file.read_text()
    # The pods of most scenarios are not a gang in a batch Job, and compile says so by the same code.
    alone = file.name == "job.yaml" and re.search(r"(?m)^  parallelism: [2-9]", text) and "group-min-member" not in text
    assert {found.code for found in judged(text)} == ({"FTC578"} if alone else set())


def test_output_of_ftc_exists() -> None:
    assert {"volcano.yaml", "job.yaml", "train.yaml"} <= {file.name for file in WRITTEN}


SILENT_JOBS = (Path(__file__).parent / "silent.yaml").read_text().split("---\n")


@pytest.mark.parametrize("text", SILENT_JOBS, ids=lambda text: text.splitlines()[0].removeprefix("# "))
def test_other_kinds_of_jobs_pass(text: str) -> None:
    assert judged(text) == ()


JOB = (cases.CORPUS / "good" / "FTC869-service-and-subdomain.yaml").read_text()


def test_a_service_in_another_file_is_found() -> None:
    service, job = JOB.split("---\n")
    assert codes(service, job) == set()
    assert codes(service.replace("name: ddp\nspec", "name: other\nspec"), job) == {"FTC869"}
    assert codes(job) == set(), "the Service may be on the cluster"


def test_the_items_of_a_list_are_checked() -> None:
    items = [yaml.safe_load(part) for part in JOB.replace("NonIndexed", "Indexed").split("---\n")]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    assert codes(text) == set()
    (found,) = judged(text.replace("subdomain: ddp", "subdomain: dpd"))[:1]
    assert found.path[:2] == ("items", 1)


def test_an_exported_object_is_checked() -> None:
    text = (cases.CORPUS / "good" / "FTC521-queue-of-a-team.yaml").read_text()
    extra = "  uid: a\n  resourceVersion: '1'\n  creationTimestamp: null\n  generation: 1\n"
    exported = text.replace("metadata:\n", f"metadata:\n{extra}") + "status:\n  state:\n    phase: Running\n"
    assert codes(exported) == set()


def test_a_duplicate_object_is_not_referred_to() -> None:
    text = (cases.CORPUS / "bad" / "FTC852-one-node-claim-on-two-nodes.yaml").read_text()
    claim = next(part for part in text.split("---\n") if "kind: PersistentVolumeClaim" in part)
    assert codes(text) == {"FTC852"}
    assert codes(text, claim.replace("ReadWriteOnce", "ReadWriteMany")) == set(), "two overlays of one directory"


HELM = 'apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\n  labels:\n    {{- include "a.labels" . | nindent 4 }}\n'


@pytest.mark.parametrize("text", [HELM, "{% if a %}\nkind: Job\n{% endif %}\n", "spec:\n  replicas: {{ .Values.n }}\n"])
def test_a_template_is_not_an_error(text: str) -> None:
    (found,) = judged(text)
    assert found.severity is Severity.NOTE
    assert "helm template" in found.help


def test_braces_in_a_broken_file_are_an_error() -> None:
    text = "kind: Job\nspec: [\n  command: 'docker ps --format {{.ID}}'\n"
    assert {d.severity for d in judged(text)} == {Severity.ERROR}


def test_an_unnamed_file_may_be_unrelated() -> None:
    files = [("a/values.yaml", b"a: 1\n"), ("a/job.yaml", JOB.encode())]
    assert lint(files, NEWEST, {"a/values.yaml", "a/job.yaml"}) == ()
    assert [d.code for d in lint(files[:1], NEWEST, {"a/values.yaml"})] == ["FTC002"], "but one file must be relevant"


def test_a_file_without_a_job_is_reported() -> None:
    (found,) = judged("a: 1\n")
    assert (found.code, found.severity) == ("FTC002", Severity.NOTE)
    assert codes("") == codes("- 1\n") == codes("--- x\n") == {"FTC002"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n", "FTC802"),
        ("apiVersion: batch/v1\nkind: Jbo\nmetadata: {name: a}\nspec: {template: {spec: {}}}\n", "FTC803"),
        ("apiVersion: batch.volcano.sh/v1alpha1\nkind: Jobb\nmetadata: {name: a}\nspec: {tasks: []}\n", "FTC803"),
    ],
)
def test_a_malformed_job_is_checked_as_a_job(text: str, code: str) -> None:
    assert code in codes(text)


def test_files_of_other_commands_of_the_trainer_pass() -> None:
    base = "model_name_or_path: a/b\ntemplate: fewshot\nfinetuning_type: lora\n"
    assert codes(f"{base}task: mmlu_test\nlang: en\nn_shot: 5\nsave_dir: a\n") == {"FTC002"}, "eval"
    chat = "model_name_or_path: a/b\ntemplate: llama3\ninfer_backend: vllm\nvllm_enforce_eager: true\n"
    assert codes(f"{chat}temperature: 0.7\nmax_new_tokens: 1024\n") == set()


def test_an_unfamiliar_plugin_may_be_of_a_newer_volcano() -> None:
    text = (cases.CORPUS / "good" / "FTC840-as-many-as-replicas.yaml").read_text()
    found = judged(text.replace("svc: [", "ringsconfigmap: []\n    svc: [--network-policy-strategy=allow, "))
    assert [(d.code, d.severity) for d in found] == [("FTC830", Severity.WARNING)] * 2
    (misspelt,) = judged(text.replace("env: []", "env: []\n    shh: []"))
    assert misspelt.severity is Severity.ERROR


def test_a_file_with_sections_belongs_to_another_program() -> None:
    text = "stage: sft\nfinetuning_type: lora\n"
    assert "FTC404" in codes(f"{text}lora_rnk: 8\n")
    assert codes(f"{text}arguments:\n  lora_rank: 8\n") == {"FTC002"}, "such as a group of Hydra"


def test_an_object_that_is_too_long_is_not_an_error() -> None:
    keys = "".join(f"  k{index}: a\n" for index in range(400))
    (found,) = judged(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{keys}")
    assert (found.severity, found.path) == (Severity.NOTE, ("data",))


def test_a_field_is_checked_for_the_versions_of_the_cluster() -> None:
    text = (cases.CORPUS / "good" / "FTC809-partitions-of-two.yaml").read_text()
    assert codes(text, versions=Versions("1.35", "1.15")) == set()
    assert codes(text, versions=Versions("1.30", "1.10")) == {"FTC801"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("action: RestartJob", "action: RestartPartition", "FTC810"), ("svc:", "ray: []\n    svc:", "FTC830")],
)
def test_a_value_is_checked_for_the_version_of_volcano(old: str, new: str, code: str) -> None:
    text = (cases.CORPUS / "good" / "FTC840-as-many-as-replicas.yaml").read_text().replace(old, new)
    assert code not in codes(text, versions=Versions("1.35", "1.15"))
    assert code in codes(text, versions=Versions("1.30", "1.10"))


SILENT = {
    "a limit alone": "          resources: {limits: {nvidia.com/gpu: 1}}\n",
    "one name for three chips": "          resources: {limits: {huawei.com/Ascend910: 8}}\n",
    "a suffix of a whole number": "          resources: {limits: {example.com/npu-memory: 20k}}\n",
    "a name of a platform": "          resources: {limits: {platform.example.com/accelerator: 2}}\n",
    "NCCL on another chip": "          env: [{name: NCCL_DEBUG, value: INFO}]\n"
    "          resources: {limits: {amd.com/gpu: 1}}\n",
    "HCCL on Gaudi": "          env: [{name: HCCL_SOCKET_IFNAME, value: eth0}]\n"
    "          resources: {limits: {habana.ai/gaudi: 1}}\n",
    "sockets": "          env: [{name: GLOO_SOCKET_IFNAME, value: eth0}]\n",
    "a port": "          env: [{name: MASTER_PORT, value: '8888'}]\n",
    "a driver of the host": "          resources: {limits: {huawei.com/Ascend910: 8}}\n"
    "          volumeMounts: [{name: driver, mountPath: /usr/local/Ascend/driver}]\n"
    "        volumes: [{name: driver, hostPath: {path: /usr/local/Ascend/driver}}]\n",
}


@pytest.mark.parametrize("addition", SILENT.values(), ids=SILENT)
def test_an_unusual_but_valid_setting_passes(addition: str) -> None:
    text = (cases.CORPUS / "good" / "FTC521-queue-of-a-team.yaml").read_text()
    assert codes(text + addition) == set()


def test_settings_of_the_trainers_examples_pass() -> None:
    text = "stage: sft\nmodel_name_or_path: a/b\ndo_train: true\ndataset: a\ntemplate: llama3\noutput_dir: a\n"
    assert codes(f"{text}flash_attn: fa2\nddp_timeout: 180000000\noverwrite_output_dir: true\nbf16: true\n") == set()


@pytest.mark.parametrize(
    "script",
    [
        "torchrun \\\n  # the pods\n  --nnodes=2 --nproc_per_node=8 train.py",
        "torchrun --nnodes=2 \\ \n  --nproc_per_node=8 train.py",
        "torchrun --nnodes=2\n  --nproc_per_node 8 train.py",
    ],
)
def test_a_stray_option_is_the_only_finding(script: str) -> None:
    job = """
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {name: sft}
spec:
  schedulerName: volcano
  plugins: {pytorch: [--master=master, --worker=worker, --port=29500]}
  policies: [{events: [PodFailed, PodEvicted], action: RestartJob}]
  tasks:
"""
    for name in ("master", "worker"):
        job += f"""
    - name: {name}
      replicas: 1
      template:
        spec:
          restartPolicy: Never
          volumes: [{{name: shm, emptyDir: {{medium: Memory, sizeLimit: 8Gi}}}}]
          containers:
            - name: train
              image: registry.example.com/train:1.0
              command: [bash, -ec, {json.dumps(script)}]
              resources: {{limits: {{nvidia.com/gpu: 8}}}}
              volumeMounts: [{{name: shm, mountPath: /dev/shm}}]
"""
    assert [d.code for d in judged(job)] == ["FTC882", "FTC882"]


@pytest.mark.parametrize(
    ("number", "host", "expected"),
    [
        ("$((${VC_MASTER_NUM:-0} + VC_WORKER_NUM))", "${VC_MASTER_HOSTS:-${VC_WORKER_HOSTS%%,*}}", set()),
        ("$VC_WORKER_NUM", "${VC_MASTER_HOSTS:-127.0.0.1}", {"FTC833"}),
        ("${VC_MASTER_NUM:-0}", "${VC_MASTER_HOSTS:-}", {"FTC833"}),
    ],
)
def test_a_script_may_suit_jobs_with_other_tasks(number: str, host: str, expected: set[str]) -> None:
    text = (cases.CORPUS / "good" / "FTC899-apart-on-the-network-of-the-node.yaml").read_text()
    text = text.replace("--nnodes=2", f"--nnodes={number}").replace("${VC_WORKER_HOSTS%%,*}", host)
    assert codes(text) & {"FTC833"} == expected


def test_the_jobs_of_a_volcano_cron_job_are_checked() -> None:
    text = (cases.CORPUS / "good" / "FTC899-apart-on-the-network-of-the-node.yaml").read_text()
    job = yaml.safe_load(text)
    template = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job["spec"]}}
    good = yaml.safe_dump({**job, "kind": "CronJob", "spec": template})
    assert judged(good) == ()
    (found,) = judged(good.replace("minAvailable: 2", "minAvailable: 1"))
    assert (found.code, found.path) == ("FTC806", ("spec", "jobTemplate", "spec", "minAvailable"))


INDEXES = """
apiVersion: batch/v1
kind: Job
metadata: {name: parts}
spec:
  completions: 8
  parallelism: 8
  completionMode: Indexed
  podFailurePolicy:
    rules:
    - {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}
    - {action: FailIndex, onExitCodes: {operator: In, values: [3]}}
  template:
    spec:
      restartPolicy: Never
      containers: [{name: part, image: registry.example.com/part:1.0}]
"""


@pytest.mark.parametrize("kubernetes", [kubernetes_versions()[0], kubernetes_versions()[-1]])
def test_fail_index_needs_a_limit_per_index(kubernetes: str) -> None:
    versions = Versions(kubernetes, NEWEST.volcano)
    (found,) = judged(INDEXES, versions=versions)
    assert (found.code, found.path) == ("FTC870", ("spec", "podFailurePolicy", "rules", 1, "action"))
    assert (
        judged(INDEXES.replace("completions: 8", "completions: 8\n  backoffLimitPerIndex: 1"), versions=versions) == ()
    )


def test_an_external_rendezvous_does_not_use_a_port_of_the_nodes() -> None:
    text = (cases.CORPUS / "bad" / "FTC899-on-the-network-of-the-node.yaml").read_text()
    elsewhere = "--rdzv_backend=etcd-v2 --rdzv_endpoint=etcd:2379"
    text = text.replace("--master_addr=${VC_WORKER_HOSTS%%,*} --master_port=29500", elsewhere)
    assert elsewhere in text
    assert codes(text) == set()


def test_a_job_without_tasks_has_no_finding_on_its_gang() -> None:
    text = "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: a}\nspec: {minAvailable: 3}\n"
    assert codes(text) == {"FTC802"}


OF_AN_IMAGE = """
apiVersion: v1
kind: Pod
metadata: {name: sft}
spec:
  restartPolicy: Never
  containers:
    - name: train
      image: hiyouga/llamafactory:%s
      command:
        - bash
        - -c
        - |
          cat > /tmp/train.yaml <<'EOF'
          stage: sft
          do_train: true
          model_name_or_path: deepseek-ai/DeepSeek-V3
          template: deepseek3
          dataset: identity
          output_dir: /tmp/output
          %s
          EOF
          llamafactory-cli train /tmp/train.yaml
"""


@pytest.mark.parametrize(
    ("release", "key", "expected"),
    [
        ("0.9.4", "kt_optimize_rule: rule.yaml", set()),
        ("latest", "kt_optimize_rule: rule.yaml", set()),
        ("0.9.3", "kt_optimize_rule: rule.yaml", {"FTC404"}),
        ("0.9.5", "kt_optimize_rule: rule.yaml", {"FTC404"}),
        ("0.9.4", "learning_rte: 1.0e-4", {"FTC404"}),
        ("0.8.3", "evaluation_strategy: steps", set()),
        ("0.9.9", "an_argument_to_come: 1", set()),
        ("latest", "evaluation_strategy: steps", {"FTC404"}),
    ],
)
def test_an_argument_is_checked_for_the_release_of_the_image(release: str, key: str, expected: set[str]) -> None:
    assert codes(OF_AN_IMAGE % (release, key)) == expected


def test_the_tag_of_a_known_image_is_not_taken_for_the_release() -> None:
    image = "docker.io/alaudadockerhub/fine_tune_with_llamafactory:v0.1.11"
    job = re.sub(r"image: .*", f"image: {image}", OF_AN_IMAGE)
    assert image in job
    # An argument that only 0.9.4 has.
    assert codes(job.replace("%s", "kt_optimize_rule: rule.yaml", 1)) == set()
    assert codes(job.replace("%s", "group_by_lenth: true", 1)) == {"FTC404"}


def test_flags_are_checked_for_the_release() -> None:
    job = OF_AN_IMAGE.replace("train /tmp/train.yaml", "train /tmp/train.yaml --cpu_infer=%s")
    assert codes(job % ("0.9.4", "bf16: true", 32)) == set()
    assert "FTC881" in codes(job % ("0.9.5", "bf16: true", 32))


TASK = "{name: t%d, replicas: 1, template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}"
HEAD = "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: a}\nspec:\n  plugins: {svc: [], env: []}\n"
MUCH = {
    "tasks": HEAD + "  tasks:\n" + "".join(f"  - {TASK % i}\n" for i in range(5_000)),
    "unknown keys": HEAD + "  tasks: []\n" + "".join(f"  key{i}: 1\n" for i in range(20_000)),
    "commands": HEAD
    + f"  tasks: [{TASK % 1}]\n".replace("image: b", 'image: b, command: [bash, -c, "%s"]')
    % ("cd /a && git clone https://a/b\\n" * 900),
    "a long line": HEAD + f"  tasks: [{TASK % 1}]\n".replace("image: b", f"image: {'b' * 3_000_000}"),
    "documents": "---\n".join(["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"] * 5_000),
    "trainings": "---\n".join(["stage: sft\ntemplate: nothing\nnonsense: 1\n"] * 5_000),
    "a bomb": "a: &a [x, x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)),
    "depth": "spec: " + "{a: " * 10_000,
}


@pytest.mark.parametrize("text", MUCH.values(), ids=MUCH)
def test_large_inputs_are_fast(text: str) -> None:
    judged("kind: Job\n")
    began = time.process_time()
    judged(text)
    assert time.process_time() - began < 5


def test_repeated_findings_are_limited() -> None:
    text = "---\n".join(["stage: sft\ntemplate: nothing\nnonsense: 1\n"] * 3_000)
    found = judged(text)
    assert len(found) == 1_001
    assert found[-1].severity is Severity.NOTE


WITHOUT_A_SHELL = """
kind: Job
apiVersion: batch.volcano.sh/v1alpha1
metadata: {name: ddp}
spec:
  schedulerName: volcano
  plugins: {env: [], svc: []}
  policies: [{events: [PodFailed, PodEvicted], action: RestartJob}]
  tasks:
    - name: worker
      replicas: 2
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: train
              image: registry.example.com/train:1.0
              command:
                - torchrun
                - --nnodes=3
                - --node-rank=0
                - --master-addr=localhost
                - --nproc-per-node=4
              args: [--master-port=70000, train.py]
              resources: {limits: {cpu: 8, memory: 64Gi, nvidia.com/gpu: 2}}
              volumeMounts: [{name: shm, mountPath: /dev/shm}]
          volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
"""


def test_a_finding_in_a_plain_command_has_the_place_of_its_word() -> None:
    found = {d.code: d.position.line for d in judged(WITHOUT_A_SHELL) if d.position}
    lines = WITHOUT_A_SHELL.splitlines()
    assert {code: lines[line - 1].strip() for code, line in found.items()} == {
        "FTC840": "- --nnodes=3",
        "FTC842": "- --node-rank=0",
        "FTC843": "- --master-addr=localhost",
        "FTC841": "- --nproc-per-node=4",
        "FTC848": "args: [--master-port=70000, train.py]",
    }


def test_hami_shares_with_the_resource_name_of_whole_devices_are_found() -> None:
    job = WITHOUT_A_SHELL.replace("replicas: 2", "replicas: 1").replace("gpu: 2", "gpu: 1, nvidia.com/gpumem: 4000")
    assert "FTC303" in codes(job)
    assert "FTC303" not in codes(job.replace("schedulerName: volcano", "schedulerName: hami-scheduler"))


def test_a_misspelled_index_is_distinguished_from_other_variables() -> None:
    job = WITHOUT_A_SHELL.replace("--node-rank=0", "--node-rank=$(VC_TSK_INDEX)")
    found = [d for d in judged(job) if d.code == "FTC833"]
    assert [d.help for d in found] == ["did you mean 'VC_TASK_INDEX'?"]
    assert "FTC833" not in codes(job.replace("VC_TSK_INDEX", "VC_LOG_LEVEL"))


def test_tasks_with_the_same_name_are_not_counted() -> None:
    head, tasks = WITHOUT_A_SHELL.split("    - name: worker\n")
    found = codes(f"{head}    - name: worker\n{tasks}    - name: worker\n{tasks}")
    assert "FTC825" in found
    assert "FTC840" not in found


@pytest.mark.parametrize(
    ("memory", "help_"), [("512m", "write 512Mi or 512Gi"), ("64", "write 64Mi or 64Gi"), ("64Mi", ""), ("1e9", "")]
)
def test_memory_without_a_unit_is_reported(memory: str, help_: str) -> None:
    job = WITHOUT_A_SHELL.replace("memory: 64Gi", f'memory: "{memory}"')
    assert [d.help for d in judged(job) if d.code == "FTC531"] == ([help_] if help_ else [])


TEMPLATED = """
apiVersion: batch/v1
kind: Job
metadata: {name: sft}
spec:
  parallelism: 1
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: train
        image: registry.example.com/train:1.0
        command: [bash, -c, 'docker ps --format "{{.ID}}"; echo ${HOME}']
        resources:
          limits: {memory: 8Gi}
"""


@pytest.mark.parametrize(
    ("old", "new", "program"),
    [
        ("8Gi", "{{ .Values.memory }}", "helm template"),
        ("8Gi", '"{{ .Values.memory }}"', "helm template"),
        ("train:1.0", "'{{ $.Values.image }}'", "helm template"),
        ("{name: sft}", "{name: '{{ name }}'}", "helm template"),
        ("echo ${HOME}", "echo {{ .Release.Name }}", "helm template"),
        ("{memory: 8Gi}", "\n            memory: ${MEMORY}", "envsubst"),
        ("8Gi", '"${MEMORY}"', "envsubst"),
        ("8Gi", "$MEMORY", "envsubst"),
        ("parallelism: 1", "parallelism: ${NODES:-2}", "envsubst"),
        ("{name: sft}", '{name: "sft-${USER}"}', "envsubst"),
    ],
)
def test_a_placeholder_makes_a_manifest_a_template(old: str, new: str, program: str) -> None:
    assert judged(TEMPLATED) == ()
    (found,) = judged(TEMPLATED.replace(old, new))
    assert (found.code, found.severity) == ("FTC002", Severity.NOTE)
    assert program in found.help


PATCH = """
apiVersion: batch/v1
kind: Job
metadata: {name: sft}
spec:
  template:
    spec:
      containers: [{name: train, resources: {limits: {nvidia.com/gpu: 8}}}]
"""


@pytest.mark.parametrize(
    "entry", ["patches: [{path: gpu.yaml}]", "patchesStrategicMerge: [gpu.yaml]", "patches: [{path: ../prod/gpu.yaml}]"]
)
def test_a_patch_of_kustomize_is_not_judged(entry: str) -> None:
    files = {"prod/kustomization.yaml": f"resources: [../job.yaml]\n{entry}\n", "prod/gpu.yaml": PATCH}
    texts = [(name, text.encode()) for name, text in {**files, "job.yaml": TEMPLATED}.items()]
    (found,) = lint(texts, NEWEST, {"prod/kustomization.yaml"})
    assert (found.position and found.position.source, found.severity) == ("prod/gpu.yaml", Severity.NOTE)
    assert found.help == "lint the result: kustomize build prod | ftc lint -"
    assert {d.code for d in lint(texts[1:], NEWEST)} == {"FTC502", "FTC866"}, "without the kustomization"


def test_a_directive_makes_a_file_a_patch() -> None:
    (found,) = judged(PATCH.replace("{name: train, ", "{name: train, $patch: delete, "))
    assert found.severity is Severity.NOTE


def test_the_keys_of_other_programs_are_not_judged() -> None:
    rules = "- match: {name: layers}\n  replace: {kwargs: {transfer_map: {10: 'cuda:1'}}}\n"
    (found,) = judged(rules)
    assert found.severity is Severity.NOTE
    assert "FTC002" in {d.code for d in judged(TEMPLATED + "  10: a\n") if d.severity is Severity.ERROR}
