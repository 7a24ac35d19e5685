"""Each rule reports a wrong configuration, and the nearest valid one passes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS
from unit.compiling import COMMAND, ROOT, errors, found, ftc, refused

GIT = ("source@model.source=git", "model.source.url=https://git.example.com/m")
ALONE = ("storage=job-lifetime", "storage.workspace.access_mode=ReadWriteMany")
ADAPTER = ("source@method.adapter=path", "method.adapter.path=/workspace/sft/output")
NEW_ADAPTER = (*ADAPTER, "train.create_new_adapter=true")
TEXTS = ("method.quantize={bits: 4, dataset: /workspace/texts.jsonl}",)
BIG = "x" * (200 * 1024)
HALVES = (f"annotations.a={BIG[: 100 * 1024]}", f"annotations.b={BIG[100 * 1024 :]}")
FIELD = "{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}"


def from_key(reference: str, key: str) -> str:
    variable = f"{{name: A, valueFrom: {{{reference}: {{name: s, key: {key}}}}}}}"
    return f"pod={{spec: {{containers: [{{name: train, env: [{variable}]}}]}}}}"


# The code of a rule, a configuration that it reports, the nearest valid one, and the path of the finding.
PAIRS = (
    ("FTC101", ("dataset=none",), COMMAND, "dataset"),
    ("FTC101", ("model=none",), COMMAND, "model"),
    ("FTC101", ("method=none",), COMMAND, "method"),
    ("FTC102", (*COMMAND, "engine=deepspeed-z2"), COMMAND, "engine"),
    ("FTC102", (*COMMAND, "method=lora-sft"), (*COMMAND, "model=qwen3-8b"), "method"),
    ("FTC102", (*COMMAND, "train.max_steps=1"), ("train.max_steps=1",), "train"),
    ("FTC102", (*COMMAND, "setup=[[true]]"), ("setup=[['true']]",), "setup"),
    ("FTC102", (*COMMAND, "publish=git", "publish.url=https://a.b/c"), COMMAND, "publish"),
    ("FTC103", ("engine=fsdp2", "devices=2"), ("engine=fsdp2", "devices=2", "launcher=accelerate"), "engine"),
    ("FTC103", ("engine=fsdp2", "devices=2", "launcher=torchrun"), ("launcher=torchrun", "devices=2"), "engine"),
    ("FTC104", ("launcher=accelerate", "engine=deepspeed-z2"), ("engine=deepspeed-z2",), "engine"),
    ("FTC104", ("launcher=accelerate", "engine=fsdp2"), ("launcher=accelerate", "engine=fsdp2", "nodes=2"), "engine"),
    ("FTC105", ("method=full-sft", "method.merge={export_size: 4}"), ("method=full-sft",), "method.merge"),
    ("FTC105", ("method.finetuning_type=oft",), ("method.finetuning_type=oft", "method.merge=null"), "method.merge"),
    ("FTC106", ("env.NNODES=4",), ("env.NCCL_DEBUG=INFO",), "env.NNODES"),
    ("FTC106", ("hardware.env={MASTER_ADDR: x}",), ("hardware.env={A: x}",), "hardware.env.MASTER_ADDR"),
    ("FTC106", ("cluster.env={GIT_TOKEN: x}",), ("cluster.env={HTTPS_PROXY: x}",), "cluster.env.GIT_TOKEN"),
    ("FTC107", COMMAND, (), "launcher"),
    ("FTC110", (*NEW_ADAPTER, "method.merge=null"), (*ADAPTER, "method.merge=null"), "method.merge"),
    ("FTC111", (*ADAPTER, "method.adapter.path='/workspace/a,b'"), ADAPTER, "method.adapter"),
    ("FTC201", ("nodes=2", "storage=per-pod"), ("nodes=1", "storage=per-pod"), "storage.workspace"),
    ("FTC201", ("nodes=2", "storage=existing-claim"), ("nodes=2", "storage=shared"), "storage.workspace"),
    ("FTC201", ("nodes=2", "storage=job-lifetime"), ("nodes=2", *ALONE), "storage.workspace"),
    ("FTC202", ("nodes=2", *ALONE, "storage.cache.access_mode=ReadWriteOnce"), ("nodes=2", *ALONE), "storage.cache"),
    ("FTC202", (*COMMAND, "nodes=2", "storage=existing-claim"), (*COMMAND, "nodes=2"), "storage.workspace"),
    ("FTC203", ("storage.cache.path=/elsewhere",), ("storage.cache.path=/workspace/elsewhere",), "storage.cache.path"),
    ("FTC203", ("storage.cache.path=/workspaces/a",), ("storage.cache.path=/workspace",), "storage.cache.path"),
    (
        "FTC204",
        ("storage=job-lifetime", "storage.cache.mount_path=/workspace"),
        ("storage=job-lifetime", "storage.cache.mount_path=/workspace2"),
        "storage.cache.mount_path",
    ),
    ("FTC204", ("storage.workspace.mount_path=/etc/ftc",), ("storage.workspace.mount_path=/etc/ft",), "storage"),
    ("FTC204", ("storage.workspace.mount_path=/dev/shm",), ("storage.workspace.mount_path=/shm",), "storage"),
    (
        "FTC205",
        ("storage=job-lifetime", "source@model.source=path", "model.source.path=/workspace/m"),
        ("storage=job-lifetime", "source@model.source=path", "model.source.path=/cache/m"),
        "model.source.path",
    ),
    (
        "FTC205",
        ("storage=job-lifetime", "source@dataset.source=path", "dataset.source.path=/workspace"),
        ("storage=shared", "source@dataset.source=path", "dataset.source.path=/workspace"),
        "dataset.source.path",
    ),
    ("FTC206", ("nodes=2", "train.overwrite_cache=true"), ("train.overwrite_cache=true",), "train.overwrite_cache"),
    ("FTC208", (*GIT, "model.source.tls_verify=false"), GIT, "model.source.tls_verify"),
    (
        "FTC208",
        ("publish=git", "publish.url=https://a.b/c", "publish.tls_verify=false"),
        ("publish=git", "publish.url=https://a.b/c"),
        "publish.tls_verify",
    ),
    (
        "FTC209",
        ("storage=per-pod",),
        ("storage=per-pod", "publish=git", "publish.url=https://a.b/c"),
        "storage.workspace",
    ),
    ("FTC209", ("storage=per-pod",), ("storage=per-pod", *COMMAND), "storage.workspace"),
    ("FTC210", ("storage=per-pod", "restarts=1"), ("storage=shared", "restarts=1"), "restarts"),
    ("FTC301", ("devices=9",), ("devices=8",), "devices"),
    ("FTC302", ("hardware.shm_gib_per_device=64",), ("hardware.shm_gib_per_device=63",), "hardware.shm_gib_per_device"),
    (
        "FTC303",
        ("hardware=alauda-vgpu",),
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true"),
        "hardware.device.resource",
    ),
    (
        "FTC304",
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true", "devices=2"),
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true", "devices=1"),
        "devices",
    ),
    (
        "FTC307",
        ("hardware=alauda-vgpu", "hardware.device.resource=nvidia.com/gpumem"),
        ("hardware=alauda-vgpu", "hardware.device.resource=nvidia.com/gpu"),
        "hardware.device.slices",
    ),
    (
        "FTC401",
        ("trainer.llamafactory=0.9.3",),
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"),
        "trainer.transformers",
    ),
    ("FTC401", ("trainer.transformers=4.52.0",), ("trainer.transformers=5.6.0",), "trainer.transformers"),
    (
        "FTC401",
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.46.3"),
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.45.2"),
        "trainer.transformers",
    ),
    ("FTC402", ("trainer.llamafactory=0.9.99",), (), "trainer"),
    ("FTC403", ("train.output_dir=/x",), ("train.logging_steps=1",), "train.output_dir"),
    ("FTC403", ("method.merge.export_dir=/x",), ("method.merge.export_size=2",), "method.merge.export_dir"),
    ("FTC407", (r"train.run_name=\${x}",), ("train.run_name='$x'",), "train.run_name"),
    (
        "FTC408",
        ("model=glm-4-9b-0414", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.2"),
        ("model=glm-4-9b-0414", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.3"),
        "trainer.transformers",
    ),
    (
        "FTC408",
        ("model=internvl3-8b", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.3"),
        ("model=internvl3-8b", "trainer.llamafactory=0.9.3", "trainer.transformers=4.52.1"),
        "trainer.transformers",
    ),
    (
        "FTC408",
        ("model=qwen3-vl-8b-instruct", "trainer.llamafactory=0.9.5", "trainer.transformers=4.56.2"),
        ("model=qwen3-vl-8b-instruct", "trainer.llamafactory=0.9.5", "trainer.transformers=4.57.1"),
        "trainer.transformers",
    ),
    ("FTC501", (f"name={'a' * 49}",), (f"name={'a' * 48}",), "name"),
    ("FTC501", ("nodes=11", f"name={'a' * 48}"), ("nodes=11", f"name={'a' * 47}"), "name"),
    (
        "FTC502",
        ("pod={spec: {containers: [{name: side, command: [a]}]}}",),
        ("pod={spec: {containers: [{name: side, command: [a], image: b}]}}",),
        "pod.spec.containers",
    ),
    (
        "FTC502",
        ("pod={spec: {initContainers: [{name: fetch-modle, workingDir: /}]}}",),
        ("pod={spec: {initContainers: [{name: fetch-model, workingDir: /}]}}",),
        "pod.spec.initContainers",
    ),
    (
        "FTC502",
        ("pod={spec: {initContainers: [{name: train, image: b}]}}",),
        ("pod={spec: {initContainers: [{name: trains, image: b}]}}",),
        "pod.spec.initContainers.0",
    ),
    (
        "FTC502",
        ("pod={spec: {containers: [{name: fetch-model, image: b}]}}",),
        ("pod={spec: {containers: [{name: fetch-models, image: b}]}}",),
        "pod.spec.containers.0",
    ),
    (
        "FTC503",
        ("pod={spec: {restartPolicy: OnFailure}}",),
        ("pod={spec: {restartPolicy: Never}}",),
        "pod.spec.restartPolicy",
    ),
    (
        "FTC504",
        (f"annotations.a={BIG[: 100 * 1024]}", f"annotations.b={BIG[100 * 1024 :]}"),
        (f"annotations.note={BIG[: 100 * 1024]}",),
        "annotations",
    ),
    ("FTC505", ("cluster.volcano=1.8",), ("cluster.volcano=1.9",), "cluster.volcano"),
    ("FTC505", ("cluster.kubernetes=1.28",), ("cluster.kubernetes=1.29",), "cluster.kubernetes"),
    (
        "FTC506",
        ("pod={spec: {nodeSelecto: {a: b}}}",),
        ("pod={spec: {nodeSelector: {a: b}}}",),
        "pod.spec.nodeSelecto",
    ),
    *(
        ("FTC506", (from_key(ref, key),), (from_key(ref, ".a"),), f"pod.spec.containers.0.env.0.valueFrom.{ref}.key")
        for ref in ("secretKeyRef", "configMapKeyRef")
        for key in (".", "..", "..a", "a/b", "a" * 254)
    ),
    (
        "FTC506",
        ("pod.spec.serviceAccountName=Bad_Name",),
        ("pod.spec.serviceAccountName=good.name",),
        "pod.spec.serviceAccountName",
    ),
    (
        "FTC506",
        ("pod={spec: {volumes: [{name: a, hostPath: {path: /a/../b}}]}}",),
        ("pod={spec: {volumes: [{name: a, hostPath: {path: /a/..b}}]}}",),
        "pod.spec.volumes.0.hostPath.path",
    ),
    (
        "FTC506",
        ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /a, subPath: a/..}]}]}}",),
        ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /a, subPath: a/b}]}]}}",),
        "pod.spec.containers.0.volumeMounts.0.subPath",
    ),
    (
        "FTC506",
        ("pod.spec.topologySpreadConstraints=[{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",),
        ("pod.spec.topologySpreadConstraints=[{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",),
        "pod.spec.topologySpreadConstraints.0.maxSkew",
    ),
    (
        "FTC516",
        (f"pod.spec.containers=[{{name: train, env: [{FIELD.replace('podIP', 'podIp')}]}}]",),
        (f"pod.spec.containers=[{{name: train, env: [{FIELD}]}}]",),
        "pod.spec.containers.0.env.0.valueFrom.fieldRef.fieldPath",
    ),
    (
        "FTC341",
        ("hardware=ascend", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}"),
        ("hardware=nvidia", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}"),
        "pod.spec.containers",
    ),
    (
        "FTC341",
        (
            "hardware=nvidia",
            "pod.spec.containers=[{name: train, resources: {limits: {volcano.sh/vgpu-cores: 8}}}]",
        ),
        ("hardware=nvidia", "pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 8}}}]}}"),
        "pod.spec.containers",
    ),
    (
        "FTC342",
        ("hardware.device.resource=nvidia.com/gpus",),
        ("hardware.device.resource=nvidia.com/mig-1g.5gb.me",),
        "hardware.device.resource",
    ),
    (
        "FTC342",
        ("hardware=ascend", "hardware.device.resource=huawei.com/ascend910"),
        ("hardware=ascend", "hardware.device.resource=huawei.com/Ascend910B5"),
        "hardware.device.resource",
    ),
    ("FTC507", ("nodes=2",), ("nodes=1",), "nodes"),
    ("FTC508", ("nodes=2", "pod={spec: {hostname: a}}"), ("pod={spec: {hostname: a}}",), "pod.spec.hostname"),
    ("FTC508", ("nodes=2", "pod={spec: {subdomain: a}}"), ("nodes=2",), "pod.spec.subdomain"),
    (
        "FTC509",
        ("pod={spec: {schedulerName: default-scheduler}}",),
        ("pod={spec: {schedulerName: volcano-2}}", "cluster.scheduler=volcano-2"),
        "pod.spec.schedulerName",
    ),
    (
        "FTC510",
        ("pod={spec: {containers: [{name: train, resources: {limits: {cpu: '1'}}}]}}",),
        ("pod={spec: {containers: [{name: train, resources: {limits: {cpu: '1'}, requests: {cpu: '1'}}}]}}",),
        "pod.spec.containers",
    ),
    (
        "FTC510",
        ("pod={spec: {containers: [{name: train, image: other, resources: {limits: {cpu: '1'}}}]}}",),
        ("pod={spec: {containers: [{name: side, image: other, resources: {limits: {cpu: '1'}}}]}}",),
        "pod.spec.containers",
    ),
    (
        "FTC511",
        ("pod={spec: {containers: [{name: train, env: [{name: NNODES, value: '3'}]}]}}",),
        ("pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}",),
        "pod.spec.containers",
    ),
    (
        "FTC511",
        ("pod={spec: {containers: [{name: train, image: other, env: [{name: NNODES, value: '3'}]}]}}",),
        ("pod={spec: {containers: [{name: side, image: other, env: [{name: NNODES, value: '3'}]}]}}",),
        "pod.spec.containers",
    ),
    ("FTC512", ("nodes=5000",), ("nodes=1000",), "nodes"),
    ("FTC571", ("nodes=2", f"name={'a' * 53}"), ("nodes=2", f"name={'a' * 52}"), "name"),
    ("FTC571", ("nodes=11", f"name={'a' * 52}"), ("nodes=10", f"name={'a' * 52}"), "name"),
    ("FTC571", (f"name={'a' * 58}",), (f"name={'a' * 57}",), "name"),
    ("FTC571", ("naming=fixed", "nodes=2", f"name={'a' * 62}"), ("naming=fixed", f"name={'a' * 63}"), "name"),
    ("FTC572", ("nodes=2", *ALONE), ("nodes=2", "storage=shared"), "storage.workspace"),
    ("FTC573", ("storage=job-lifetime",), ("storage=existing-claim",), "storage.workspace"),
    ("FTC574", ("nodes=2",), ("nodes=1",), "nodes"),
    ("FTC574", ("nodes=2", "naming=fixed"), ("naming=fixed",), "nodes"),
    ("FTC575", ("nodes=2", "pod.spec.subdomain=a"), ("nodes=1", "pod.spec.subdomain=a"), "pod.spec.subdomain"),
    ("FTC575", ("nodes=2", "hardware.pod.spec.hostname=a"), ("nodes=2",), "hardware.pod.spec.hostname"),
    ("FTC585", ("nodes=4", "restarts=536870912"), ("nodes=4", "restarts=536870911"), "restarts"),
    (
        "FTC576",
        ("cluster.gang_jobs=true", "cluster.volcano=1.9"),
        ("cluster.gang_jobs=true", "cluster.volcano=1.12"),
        "cluster.gang_jobs",
    ),
    (
        "FTC577",
        ("cluster.gang_jobs=true", "pod.spec.schedulerName=other"),
        ("pod.spec.schedulerName=other",),
        "pod.spec.schedulerName",
    ),
    (
        "FTC109",
        ("method.quantize={bits: 4, dataset: /workspace/texts.md}",),
        ("method.quantize={bits: 4, dataset: allenai/c4}",),
        "method.quantize.dataset",
    ),
    (
        "FTC205",
        ("storage=job-lifetime", "method.quantize={bits: 4, dataset: /workspace/texts.jsonl}"),
        ("storage=job-lifetime", "method.quantize={bits: 4, dataset: /cache/texts.jsonl}"),
        "method.quantize.dataset",
    ),
    (
        "FTC205",
        ("storage=per-pod", "source@model.source=path", "model.source.path=/workspace/m"),
        ("storage=per-pod", "source@model.source=path", "model.source.path=/opt/m"),
        "model.source.path",
    ),
    ("FTC108", (*TEXTS, "method=oft-sft"), (*TEXTS, "method=full-sft"), "method.quantize"),
    (
        "FTC577",
        ("cluster.gang_jobs=true", "cluster.scheduler=default-scheduler"),
        ("cluster.gang_jobs=true", "cluster.scheduler=volcano-of-ours"),
        "cluster.scheduler",
    ),
    (
        "FTC584",
        ("labels={kueue.x-k8s.io/queue-name:a}",),
        ("cluster.kueue_queue=a",),
        "labels.kueue.x-k8s.io/queue-name",
    ),
    ("FTC578", ("nodes=2",), ("nodes=2", "cluster.gang_jobs=true"), "nodes"),
    ("FTC578", ("nodes=2",), ("nodes=2", "cluster.kueue_queue=team"), "nodes"),
    ("FTC579", ("suspend=true",), ("suspend=false",), "suspend"),
    ("FTC580", (*COMMAND, "nodes=2", "restarts=1"), (*COMMAND, "nodes=2"), "restarts"),
    ("FTC581", ("labels.job-name=a",), ("labels.name=a",), "labels.job-name"),
    (
        "FTC581",
        ("pod.metadata.labels={batch.kubernetes.io/controller-uid: a}",),
        ("pod.metadata.labels={example.com/controller-uid: a}",),
        "pod.metadata.labels",
    ),
    ("FTC582", ("cluster.queue=a",), ("cluster.queue=a", "cluster.gang_jobs=true"), "cluster.queue"),
    ("FTC583", ("suspend=true", "cluster.kueue_queue=a"), ("suspend=true",), "suspend"),
)
WARNINGS = {
    "FTC110",
    "FTC342",
    "FTC208",
    "FTC209",
    "FTC210",
    "FTC303",
    "FTC304",
    "FTC402",
    "FTC509",
    "FTC577",
    "FTC578",
    "FTC580",
    "FTC582",
    "FTC583",
    "FTC584",
}
NOTES = {"FTC573", "FTC574"}
TARGETS = {rule.code: (rule.target or "volcano",) for rule in OF_SPECS}


def named(pair: tuple[str, tuple[str, ...], tuple[str, ...], str]) -> str:
    return f"{pair[0]} {' '.join(pair[1])[:60]}"


def test_every_rule_has_a_pair() -> None:
    here = walk_packages([str(Path(__file__).parent)], "unit.rules.")
    families = (import_module(found.name) for found in here if not found.ispkg)
    pairs = [pair for family in families for pair in getattr(family, "PAIRS", ())]
    assert {rule.code for rule in OF_SPECS} - {code for code, *_ in pairs} == set()


def test_every_rule_that_refuses_has_an_error_golden() -> None:
    files = [*(ROOT / "golden" / "errors").glob("*.err"), *(ROOT / "tests" / "corpus" / "bad").glob("*.err")]
    told = "".join(file.read_text(encoding="utf-8") for file in files)
    refusing = {rule.code for rule in OF_SPECS if rule.severity is Severity.ERROR}
    assert {code for code in refusing if f"error[{code} " not in told} == set()


def test_each_code_belongs_to_one_rule() -> None:
    codes = [rule.code for rule in OF_SPECS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_a_rule_reports_the_key_with_a_remedy(
    pair: tuple[str, tuple[str, ...], tuple[str, ...], str],
) -> None:
    code, wrong, _, key = pair
    everything = found(*wrong, targets=TARGETS[code])
    told = [d for d in everything if d.code == code]
    assert told, everything
    for diagnostic in told:
        assert ".".join(map(str, diagnostic.path)).startswith(key)
        assert diagnostic.position is not None
        assert diagnostic.help
        assert "\n" not in diagnostic.message + diagnostic.help
        expected = Severity.NOTE if code in NOTES else Severity.WARNING if code in WARNINGS else Severity.ERROR
        assert diagnostic.severity == expected


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_the_nearest_valid_configuration_passes(
    pair: tuple[str, tuple[str, ...], tuple[str, ...], str],
) -> None:
    code, _, right, _ = pair
    told = found(*right, targets=TARGETS[code])
    assert code not in {d.code for d in told}
    assert [d for d in told if d.severity is Severity.ERROR] == []


def test_an_error_fails_compile_and_a_warning_does_not() -> None:
    assert "error[FTC301 devices-exceed-node]" in refused("devices=9")
    said = ftc("compile", "hardware=alauda-vgpu")
    assert said.exit_code == 0
    assert "warning[FTC303 hami-needs-its-scheduler]" in said.stderr
    assert said.stdout.startswith("apiVersion: batch.volcano.sh/")


def test_a_rule_of_one_target_is_silent_for_the_others() -> None:
    assert ftc("compile", "-t", "llamafactory", "hardware=alauda-vgpu", "train.cutoff_len=512").stderr == ""
    long = f"name={'a' * 60}"
    assert ftc("compile", "-t", "llamafactory", long).exit_code == 0
    assert "FTC501" in errors(long)[0]


def test_several_nodes_on_a_claim_for_one_node_are_refused() -> None:
    said = refused("nodes=2", "storage=existing-claim")
    assert "ReadWriteOnce" in said
    assert "'workspace'" in said
    assert "ReadWriteMany" in said.partition("help: ")[2]


def test_a_finding_on_a_setting_of_a_group_is_in_the_file_of_the_group() -> None:
    (line,) = errors("hardware.bf16=false")
    assert "conf/hardware/nvidia.yaml:" in line


def test_settings_that_a_command_does_not_use_are_not_checked() -> None:
    vendor = (*COMMAND, "trainer.llamafactory=0.0.1", "hardware.bf16=false")
    assert [d for d in found(*vendor, targets=("volcano",)) if d.severity is Severity.ERROR] == []


def test_two_mistakes_in_one_storage_are_reported_once_each() -> None:
    told = [d.code for d in found("nodes=2", "storage=existing-claim")]
    assert told == ["FTC201"]


OLDER = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1", "image=registry.example.com/train:0.9.3")


def test_a_tuning_type_of_another_release_is_reported_once() -> None:
    told = [d for d in found("method=oft-sft", *OLDER) if d.severity is Severity.ERROR]
    assert [(d.code, ".".join(map(str, d.path))) for d in told] == [("FTC404", "method.finetuning_type")]
    assert "0.9.3" in told[0].message
    assert "0.9.5" in told[0].help
    other = [d.path[-1] for d in found("method=oft-sft", *OLDER, "train.lerning_rate=1.0") if d.code == "FTC404"]
    assert other == ["finetuning_type", "lerning_rate"]
