"""Training files of users: with the files that they name, for other releases and programs, and with placeholders."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from ftc.diagnostics.model import Diagnostic, Severity
from ftc.lint import Versions, lint
from ftc.spec.job import Trainer
from ftc.trainer import release
from golden import cases
from unit.compiling import ftc
from unit.lint.test_lint import NEWEST

TRAIN = """model_name_or_path: Qwen/Qwen3-8B
template: qwen3
stage: sft
do_train: true
finetuning_type: lora
dataset: support
output_dir: saves/a
"""
OLD = Versions(NEWEST.kubernetes, NEWEST.volcano, Trainer("0.9.3", "4.51.1"))
NEW = Versions(NEWEST.kubernetes, NEWEST.volcano, Trainer("0.9.5", "5.6.0"))
BUILT = Versions(NEWEST.kubernetes, NEWEST.volcano, Trainer("0.9.5", "5.5.4"))


def judged(text: str, versions: Versions = NEWEST, **others: str) -> tuple[Diagnostic, ...]:
    """The findings in train.yaml next to other files, which are named a__b_json for a/b.json."""
    named = {name.replace("__", "/").replace("_json", ".json"): other for name, other in others.items()}
    files = {"train.yaml": f"{TRAIN}{text}", **named}
    return lint([(name, content.encode()) for name, content in files.items()], versions)


def codes(text: str, versions: Versions = NEWEST, **others: str) -> set[str]:
    return {d.code for d in judged(text, versions, **others)}


ZERO_3 = '{"train_micro_batch_size_per_gpu": "auto", "zero_optimization": {"stage": 3}}'


def test_the_engine_file_next_to_a_training_is_used() -> None:
    text = "deepspeed: ds.json\npure_bf16: true\n"
    assert codes(text) == set(), "the file is not here"
    assert codes(text, ds_json=ZERO_3) == {"FTC436"}
    assert codes(text, ds_json=ZERO_3.replace("3", "2")) == set()


def test_the_engine_file_is_found_by_the_end_of_its_path() -> None:
    text = "deepspeed: conf/ds.json\npure_bf16: true\n"
    assert codes(text, repository__conf__ds_json=ZERO_3) == {"FTC436"}
    assert codes(text, repository__other__ds_json=ZERO_3) == set()
    assert codes(text, a__conf__ds_json=ZERO_3, b__conf__ds_json=ZERO_3) == set(), "one of two"


def test_a_number_in_a_string_is_reported() -> None:
    (found,) = judged("deepspeed: ds.json\n", ds_json=ZERO_3.replace("auto", "8"))
    assert (found.code, found.path) == ("FTC440", ("train_micro_batch_size_per_gpu",))
    assert found.message == 'is the string "8", but per_device_train_batch_size of the training is 8'
    assert found.position is not None
    assert found.position.source == "ds.json"


def test_datasets_are_looked_up_in_the_description() -> None:
    text = "dataset_dir: data\n"
    assert codes(text, data__dataset_info_json='{"support": {"file_name": "a.json"}}') == set()
    assert codes(text, data__dataset_info_json='{"suport": {"file_name": "a.json"}}') == {"FTC406"}
    assert codes(text, data__dataset_info_json='{"suport": 1, "$NAME": {}}') == set(), "a name is not given"
    assert codes(text, data__dataset_info_json='{"support": {"file_name": "a.json", "formatting": "chat"}}') == {
        "FTC451"
    }


def test_a_json_with_tabs_is_read() -> None:
    assert codes("dataset_dir: data\n", data__dataset_info_json='{\n\t"suport": {\n\t\t"file_name": "a"}}') == {
        "FTC406"
    }


def test_an_engine_file_is_checked_separately() -> None:
    def alone(text: str, name: str) -> list[tuple[str, str]]:
        return [(d.code, d.message) for d in lint([(name, text.encode())], NEWEST)]

    assert alone(ZERO_3.replace('"stage"', '"stag"'), "z.json") == [("FTC829", "'stag' is not a setting of DeepSpeed")]
    assert alone(ZERO_3.replace("3", "4"), "z.json") == [("FTC829", "ZeRO stage 4 does not exist")]
    assert alone(ZERO_3, "z.json") == []
    accelerate = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\n"
    assert alone(accelerate, "a.yaml") == []
    assert alone(f"{accelerate}num_proceses: 8\n", "a.yaml")[0][0] == "FTC900"


def test_an_inline_engine_is_reported_at_its_key() -> None:
    (found,) = judged("deepspeed:\n  zero_optimization: {stage: 2}\n  gradient_cliping: 1.0\n")
    assert (found.code, found.path) == ("FTC829", ("deepspeed", "gradient_cliping"))
    said = ftc("compile", "engine=deepspeed-z2", "devices=2", "engine.config.gradient_cliping=1.0")
    assert (
        "error[FTC829 unknown-deepspeed-setting]: engine.config.gradient_cliping: 'gradient_cliping' is not"
        in said.stderr
    )
    ignored = ("engine=deepspeed-z2", "devices=2", "engine.config.gradient_cliping=1.0", "--ignore", "FTC829")
    assert ftc("compile", *ignored).exit_code == 0


GAPS = (
    "optim: ${OPTIM}\nuse_apollo: true\nfinetuning_type: full\n",
    "use_apollo: true\noptim: '{{ .Values.optim }}'\nfinetuning_type: ${TUNING}\n",
    "load_best_model_at_end: true\nval_size: 0.1\neval_strategy: '$EVAL'\n",
    "quantization_bit: '${BITS}'\n",
    "deepspeed: $DS\npure_bf16: true\n",
    "lora_rank: '{{ rank }}'\nlearning_rate: ${LR}\n",
    'early_stopping_steps: 3\neval_strategy: "{{ .Values.eval }}"\n',
)


@pytest.mark.parametrize("text", GAPS)
def test_findings_do_not_depend_on_placeholders(text: str) -> None:
    lines = TRAIN.replace("finetuning_type: lora\n", "") if "finetuning_type" in text else TRAIN
    assert lint([("train.yaml", f"{lines}{text}".encode())], NEWEST) == ()


def test_values_next_to_a_placeholder_are_checked() -> None:
    assert codes("optim: ${OPTIM}\nlora_rank: eight\n") == {"FTC404"}


LOST = (cases.CORPUS / "bad" / "FTC857-model-on-the-claim-of-the-job.yaml").read_text()


@pytest.mark.parametrize("name", ["'{{ .Values.runs }}/a'", "'$RUNS/a'", "${RUNS}"])
def test_a_placeholder_path_is_not_reported_as_lost(name: str) -> None:
    (line,) = [line for line in LOST.splitlines() if "output_dir:" in line]
    text = LOST.replace(line, f"{line.partition(':')[0]}: {name}")
    assert "FTC857" in {d.code for d in lint([("a.yaml", LOST.encode())], NEWEST)}
    assert "FTC857" not in {d.code for d in lint([("a.yaml", text.encode())], NEWEST)}


RELEASES = (
    ("split_special_tokens: true", OLD, "llamafactory 0.9.3"),
    ("neat_packing: true\nflash_attn: fa2", BUILT, "llamafactory 0.9.5"),
    ("warmup_ratio: 0.1\nwarmup_steps: 10", NEW, "transformers 5.6.0"),
    ("warmup_ratio: 0.1\nwarmup_steps: 10", OLD, "transformers 4.51.1"),
    ("flash_attn: fa3", NEW, "llamafactory 0.9.5"),
    ("learning_rte: 1", NEW, "llamafactory 0.9.5 with transformers 5.6.0"),
    ("save_strategy: sometimes", NEW, "llamafactory 0.9.5 with transformers 5.6.0"),
)


@pytest.mark.parametrize(("text", "versions", "release"), RELEASES)
def test_a_finding_that_depends_on_the_release_names_it(text: str, versions: Versions, release: str) -> None:
    (found,) = judged(f"{text}\n", versions)
    assert release in found.message


def test_the_release_decides() -> None:
    text = "split_special_tokens: true\n"
    assert codes(text) == set()
    assert codes(text, NEW) == set()
    assert codes(text, OLD) == {"FTC429"}


def test_a_release_that_is_only_assumed_is_named() -> None:
    (found,) = lint([("a.yaml", TRAIN.replace("qwen3", "aquila_9").encode())], NEWEST)
    assert (found.code, found.severity) == ("FTC405", Severity.WARNING)
    assert "llamafactory 0.9.5" in found.message
    (found,) = lint([("a.yaml", TRAIN.replace("qwen3", "aquila_9").encode())], NEW)
    assert found.severity is Severity.ERROR
    (found,) = lint([("a.yaml", TRAIN.replace("template: qwen3", "template: qwen-3").encode())], NEWEST)
    assert found.severity is Severity.ERROR, "a misspelling, whatever the release"


def test_an_argument_of_another_known_release_passes_unless_the_release_is_given() -> None:
    text = "ray_storage_path: saves\n"
    assert "FTC404" not in codes(text)
    assert "FTC404" in codes(text, NEW)
    assert "FTC404" not in codes(text, OLD)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/models/Qwen3-8B", {"FTC457", "FTC473"}),
        ("/cache/qwen3-8b-a4605b53/", {"FTC457", "FTC473"}),
        ("Qwen/Qwen3-8B", {"FTC457", "FTC473"}),
        ("/models/our-model", set()),
        ("team/Qwen3-8B", set()),
        ("${MODEL}", set()),
    ],
)
def test_a_directory_is_named_after_its_model(name: str, expected: set[str]) -> None:
    text = TRAIN.replace("Qwen/Qwen3-8B", name).replace("template: qwen3", "template: llama3")
    assert {d.code for d in lint([("a.yaml", f"{text}cutoff_len: 65536\n".encode())], NEWEST)} == expected


MCORE = "tensor_model_parallel_size: 4\nuse_distributed_optimizer: true\nuse_galore: true\nmask_history: true\n"


def test_only_data_and_template_of_a_megatron_file_are_checked() -> None:
    assert codes(MCORE) == set()
    assert codes(f"{MCORE}train_on_prompt: true\n") == {"FTC460"}
    assert "FTC405" in {d.code for d in lint([("a.yaml", f"{TRAIN}{MCORE}".replace("qwen3", "qwn3").encode())], NEWEST)}


def test_the_arguments_of_ray_are_read_under_ray() -> None:
    ray = "ray_num_workers: 4\nray_run_name: a\nplacement_strategy: PACK\nresources_per_worker: {GPU: 1}\n"
    assert codes(ray) == set()
    assert codes(f"{ray}bf16: true\nfp16: true\n") == {"FTC305"}


def test_a_file_for_inference_is_not_a_training() -> None:
    text = "model_name_or_path: a/b\ntemplate: llama3\ninfer_backend: vllm\ntrust_remote_code: true\n"
    assert lint([("chat.yaml", text.encode())], NEWEST) == ()
    assert [d.code for d in lint([("chat.yaml", f"{text}vllm_maxle: 9\n".encode())], NEWEST)] == ["FTC404"]


def test_a_training_may_contain_arguments_of_an_export() -> None:
    assert codes("export_dir: merged\nexport_size: 5\n") == set()


def test_a_file_of_v1_is_recognized() -> None:
    text = "model: a/b\nmodel_class: llm\ntrain_dataset: data.yaml\nmicro_batch_size: 1\noutput_dir: out\n"
    (found,) = lint([("v1.yaml", text.encode())], NEWEST)
    assert (found.code, found.severity) == ("FTC002", Severity.NOTE)
    assert "USE_V1" in found.message


def test_a_word_that_yaml_reads_as_false_is_explained() -> None:
    (found,) = judged("save_strategy: no\n")
    assert found.code == "FTC404"
    assert 'quote it, "no"' in found.help


def test_a_quoted_helm_template_is_a_placeholder() -> None:
    text = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: '{{ .Values.name }}'\n"
    (found,) = lint([("job.yaml", text.encode())], NEWEST)
    assert found.severity is Severity.NOTE


POD = """apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  restartPolicy: Never
  containers:
    - name: train
      image: %s
      command: [bash, -ec]
      args: ["%s"]
"""


@pytest.mark.parametrize(
    ("image", "command", "expected"),
    [
        ("example.com/a:1", "torchrun src/train.py --epochs 2 --samples 9", set()),
        ("example.com/llama-factory:1", "torchrun src/train.py --epochs 2", {"FTC881"}),
        ("example.com/a:1", "torchrun src/train.py --finetuning_type lora --lora_rnk 9", {"FTC881"}),
        ("example.com/a:1", "torchrun -m llamafactory.launcher --lora_rnk 9", {"FTC881"}),
    ],
)
def test_a_train_py_is_recognized_by_image_or_arguments(image: str, command: str, expected: set[str]) -> None:
    found = lint([("pod.yaml", (POD % (image, command)).encode())], NEWEST)
    assert {d.code for d in found if d.code == "FTC881"} == expected


def test_a_pod_that_runs_v1_is_not_checked() -> None:
    script = "USE_V1=1 llamafactory-cli train /tmp/a.yaml"
    text = POD.replace('"%s"]', "|").replace("args: [", "args:\n        - ") % "example.com/a:1"
    body = "".join(
        f"          {line}\n" for line in f"cat >/tmp/a.yaml <<EOF\n{TRAIN}bf16: true\nfp16: true\nEOF\n%s".splitlines()
    )
    assert "FTC305" in {
        d.code for d in lint([("p.yaml", (text + body % script.removeprefix("USE_V1=1 ")).encode())], NEWEST)
    }
    assert "FTC305" not in {d.code for d in lint([("p.yaml", (text + body % script).encode())], NEWEST)}


ACCELERATE = """cat >/tmp/fsdp.yaml <<EOF
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
num_processes: 8
EOF
cat >/tmp/a.yaml <<EOF
%squantization_bit: 8
EOF
accelerate launch --config_file /tmp/fsdp.yaml -m llamafactory.launcher /tmp/a.yaml
"""


def test_the_accelerate_file_determines_the_engine() -> None:
    text = POD.replace('"%s"]', "|").replace("args: [", "args:\n        - ") % "example.com/a:1"
    script = "".join(f"          {line}\n" for line in (ACCELERATE % TRAIN).splitlines())
    assert "FTC438" in {d.code for d in lint([("p.yaml", (text + script).encode())], NEWEST)}
    ddp = script.replace("FSDP", "MULTI_GPU")
    assert "FTC438" not in {d.code for d in lint([("p.yaml", (text + ddp).encode())], NEWEST)}
    unknown = script.replace("FSDP", "$KIND")
    assert "FTC438" not in {d.code for d in lint([("p.yaml", (text + unknown).encode())], NEWEST)}


def test_an_old_code_is_an_alias_of_its_successors(tmp_path: Path) -> None:
    file = str(tmp_path / "train.yaml")
    Path(file).write_text(f"{TRAIN}bf16: true\nfp16: true\n", encoding="utf-8")
    assert ftc("lint", file).exit_code == 1
    said = ftc("lint", "--ignore", "FTC874", file)
    assert (said.exit_code, said.stdout) == (0, "")
    assert "FTC015" in ftc("lint", "--ignore", "FTC871", file).stdout, "it ignores nothing here"
    assert ftc("rule", "FTC874").stdout.splitlines()[0] == "FTC874 was replaced by:"
    assert ftc("compile", "-t", "llamafactory", "train.fp16=true", "--ignore", "FTC874").exit_code == 0


@pytest.mark.parametrize(
    ("versions", "exit_code"),
    [
        (("--llamafactory", "0.9.3"), 1),
        (("--transformers", "4.51.1"), 1),
        (("--llamafactory", "0.9.5"), 0),
        ((), 0),
        (("--llamafactory", "0.9.3", "--transformers", "5.6.0"), 2),
        (("--llamafactory", "9.9"), 2),
    ],
)
def test_the_versions_are_options(versions: tuple[str, ...], exit_code: int, tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(f"{TRAIN}split_special_tokens: true\n", encoding="utf-8")
    assert ftc("lint", *versions, str(file)).exit_code == exit_code


ODD: tuple[object, ...] = ([], {"a": "b"}, None, True, -1, 0, 1.5, "text", "1,2", [1, {"a": "b"}], "${X}")
NAMES = sorted(release.arguments(release.pairs()[-1])["arguments"])


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("value", ODD, ids=json.dumps)
def test_odd_values_do_not_crash(value: object, every: int) -> None:
    for name in NAMES[ODD.index(value) % every :: every]:
        text = f"{TRAIN}streaming: true\nuse_galore: true\n"
        kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{name}:"))
        file = f"{kept}{name}: {json.dumps(value)}\n"
        info = '{"support": {"file_name": "a.json"}}'
        found = lint([("a.yaml", file.encode()), ("data/dataset_info.json", info.encode())], NEWEST)
        assert all(d.position is not None for d in found), name


@pytest.mark.parametrize("name", ["use_galore", "use_apollo"])
def test_the_default_optimizer_is_judged_only_for_a_known_release(name: str) -> None:
    text = f"finetuning_type: full\n{name}: true\n"
    assert "FTC432" not in {one.code for one in judged(text, NEWEST)}
    assert "FTC432" not in {one.code for one in judged(text, OLD)}
    assert "FTC432" in {one.code for one in judged(text, NEW)}
    assert "FTC432" in {one.code for one in judged(f"{text}optim: adamw_torch_fused\n", NEWEST)}


ON_A_CHIP = """apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {{name: sft}}
spec:
  schedulerName: volcano
  tasks:
  - name: worker
    replicas: 1
    template:
      spec:
        restartPolicy: Never
        nodeSelector: {{nvidia.com/gpu.product: {chip}}}
        containers:
        - name: train
          image: registry.example.com/train:1.0
          command:
          - bash
          - -c
          - |
            set -e
            cat >sft.yaml <<EOF
{training}
            EOF
            llamafactory-cli train sft.yaml
"""


@pytest.mark.parametrize(
    ("chip", "precision", "code"),
    [
        ("Tesla-V100-SXM2-32GB", "bf16", "FTC306"),
        ("Tesla-V100-SXM2-32GB", "pure_bf16", "FTC329"),
        ("Tesla-V100-SXM2-32GB", "fp16", None),
        ("NVIDIA-A100-SXM4-80GB", "bf16", None),
    ],
)
def test_the_chip_that_a_pod_selects_supports_the_precision(chip: str, precision: str, code: str | None) -> None:
    training = textwrap.indent(f"{TRAIN}{precision}: true", " " * 12)
    found = lint([("job.yaml", ON_A_CHIP.format(chip=chip, training=training).encode())], NEWEST)
    assert [d.code for d in found if d.severity is Severity.ERROR] == ([code] if code else [])
    assert all("v100" in d.message for d in found if d.code == code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("flash_attn: fa2", "FTC349"),
        ("fsdp_transformer_layer_cls_to_wrap: Qwen3DecoderLayer", "FTC404"),
        ("finetuning_type: full\nuse_galore: true", "FTC432"),
    ],
)
def test_a_finding_that_depends_on_an_unknown_transformers_is_a_warning(text: str, code: str, tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    lines = TRAIN.replace("finetuning_type: lora\n", "") if "finetuning_type" in text else TRAIN
    file.write_text(f"{lines}{text}\n", encoding="utf-8")
    release_ = ftc("lint", "--llamafactory", "0.9.5", str(file))
    assert (release_.exit_code, f"warning[{code} " in release_.stdout) == (0, True), release_.stdout
    both = ftc("lint", "--llamafactory", "0.9.5", "--transformers", "5.6.0", str(file))
    assert (both.exit_code, f"error[{code} " in both.stdout) == (1, True), both.stdout
    assert ftc("lint", str(file)).stdout == ""


@pytest.mark.parametrize(
    ("image", "found"),
    [("hiyouga/llamafactory:0.9.5", True), ("registry.example.com/team/llamafactory:0.9.5", False)],
)
def test_the_official_image_has_the_newest_transformers_of_its_release(image: str, found: bool) -> None:  # noqa: FBT001 - a parameter of the test
    text = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: sft}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: train
        image: {image}
        command: [bash, -c]
        args:
        - |
          cat > train.yaml <<END
          {TRAIN.replace(chr(10), chr(10) + " " * 10)}flash_attn: fa2
          END
          llamafactory-cli train train.yaml
"""
    assert ("FTC349" in {d.code for d in lint([("a.yaml", text.encode())], NEWEST)}) is found


def test_a_file_that_two_trainings_name_is_reported_once() -> None:
    one = f"{TRAIN}bf16: true\ndeepspeed: ds_z0.json\n".encode()
    config = b'{"zero_optimization": {"stage": 0}, "bf16": {"enabled": "auto"}}'
    found = lint([("a.yaml", one), ("b.yaml", one), ("ds_z0.json", config)], NEWEST)
    assert [d.code for d in found if d.position and d.position.source == "ds_z0.json"] == ["FTC474"]


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("examples/deepspeed/ds_z3_config.json", {"FTC480"}),
        ("/app/examples/deepspeed/ds_z3_offload_config.json", {"FTC480"}),
        ("examples/deepspeed/ds_z2_config.json", set()),
        ("ds_z3_config.json", set()),
    ],
)
def test_the_name_of_an_example_of_llamafactory_gives_the_stage(file: str, found: set[str]) -> None:
    text = TRAIN.replace("model_name_or_path: ", "model_name_or_path: Qwen/Qwen2.5-7B-Instruct-AWQ #")
    assert {d.code for d in lint([("a.yaml", f"{text}deepspeed: {file}\n".encode())], NEWEST)} & {"FTC480"} == found


def test_a_value_of_a_release_without_a_schema_is_reported_only_for_a_known_release() -> None:
    text = "model_name_or_path: a/b\ntemplate: qwen3\ninfer_backend: ktransformers\n"
    assert lint([("a.yaml", text.encode())], NEWEST) == ()
    (found,) = lint([("a.yaml", text.encode())], NEW)
    assert (found.code, found.severity) == ("FTC404", Severity.ERROR)
    (found,) = lint([("a.yaml", text.replace("ktransformers", "tensorrt").encode())], NEWEST)
    assert found.code == "FTC404"
