"""The trainer's schemas: what the guides write is accepted, and what the trainer would choke on is refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas" / "llamafactory"
REFERENCE = ROOT.parent / "shared" / "reference"
PAIRS = ("0.9.3+4.51.1", "0.9.4+4.51.1", "0.9.4+4.57.1", "0.9.5+5.6.0")
MEASURED = ("0.9.3+4.51.1", "0.9.5+5.6.0")
# It differs from 0.9.5+5.6.0 in three arguments of transformers.
NEAR = "0.9.5+5.5.4"
FILE_LIMIT = 80 * 1024  # the argument file is read at every compilation

LORA_SFT = """
model_name_or_path: /mnt/models/Qwen3-0.6B
stage: sft
do_train: true
finetuning_type: lora
lora_target: all
lora_rank: 8
lora_alpha: 16
lora_dropout: 0.1
dataset: identity_alauda
dataset_dir: /mnt/models/identity-alauda
template: qwen
cutoff_len: 1024
max_samples: 1000
overwrite_cache: true
preprocessing_num_workers: 8
output_dir: output_models
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
per_device_train_batch_size: 2
gradient_accumulation_steps: 2
learning_rate: 2.0e-4
num_train_epochs: 4.0
bf16: false
fp16: true
ddp_timeout: 180000000
val_size: 0.1
per_device_eval_batch_size: 1
eval_strategy: steps
eval_steps: 500
report_to: mlflow
deepspeed: ds-z3-config.json
"""

VISION_DDP = """
stage: sft
model_name_or_path: /dev/shm/llamafactory/model/Qwen2.5-VL-7B-Instruct
do_train: true
dataset: 4000_llamafactory_zh_split
template: qwen2_vl
finetuning_type: lora
lora_rank: 8
lora_alpha: 16
output_dir: saves/qwen2.5vl-7B/run
overwrite_cache: true
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
lr_scheduler_type: cosine
logging_steps: 5
save_steps: 100
learning_rate: 1.0e-4
num_train_epochs: 10.0
plot_loss: true
bf16: true
cutoff_len: 2048
preprocessing_num_workers: 16
dataloader_num_workers: 12
report_to: none
ddp_find_unused_parameters: false
"""

MERGE = """
model_name_or_path: /mnt/models/Qwen3-0.6B
adapter_name_or_path: output_models
template: qwen
finetuning_type: lora
export_dir: output_models_merged
export_size: 4
export_device: cpu
export_legacy_format: false
"""

LOOSER = """
dataset: [identity, alpaca_en_demo]
lora_target: [q_proj, v_proj]
report_to: [mlflow, tensorboard]
interleave_probs: [0.5, 0.5]
deepspeed: {zero_optimization: {stage: 2}}
fsdp_config: {min_num_params: 0}
accelerator_config: {split_batches: true}
resume_from_checkpoint: true
learning_rate: 1
num_train_epochs: 3
max_samples: null
"""

MISTAKES = [
    ("train", "evaluation_strategy: steps", "additionalProperties"),
    ("train", "learning_rat: 1.0e-4", "additionalProperties"),
    ("train", "compute_dtype: float16", "additionalProperties"),
    ("train", 'learning_rate: "1e-4"', "type"),
    ("train", 'lora_rank: "8"', "type"),
    ("train", "lora_rank: 8.0", "type"),
    ("train", "lora_rank: true", "type"),
    ("train", "lora_rank: null", "type"),
    ("train", 'plot_loss: "true"', "type"),
    ("train", 'max_steps: "3"', "type"),
    ("train", "lora_target: [1]", "type"),
    ("train", "stage: foo", "enum"),
    ("train", "finetuning_type: qlora", "enum"),
    ("train", "flash_attn: flash2", "enum"),
    ("train", "optim: adam", "enum"),
    ("train", "eval_strategy: no", "enum"),  # YAML 1.1 reads false
    ("train", "log_level: verbose", "enum"),
    ("export", "learning_rate: 1.0e-4", "additionalProperties"),
    ("export", "output_dir: output_models", "additionalProperties"),
    ("export", "export_device: cuda", "enum"),
]

# Where ours is not what was measured independently. A list is taken wherever the trainer splits a string at commas:
LISTS = {
    "additional_target", "apollo_target", "dataset", "eval_dataset", "freeze_extra_modules", "freeze_trainable_modules",
    "galore_target", "interleave_probs", "lora_target",
}  # fmt: skip
ALSO_TRUE = {"fsdp", "resume_from_checkpoint"}
# The measured file says "any" for classes that no YAML value can be.
CLASSES = {"generation_config"}
DIFFERENT = {
    # The measured file states whether null is taken for the newest pair only.
    "0.9.3+4.51.1": LISTS | ALSO_TRUE | CLASSES | {
        "average_tokens_across_devices", "ddp_timeout", "eval_delay", "eval_use_gather_object",
        "include_num_input_tokens_seen", "include_tokens_per_second", "length_column_name", "load_best_model_at_end",
        "log_level", "log_level_replica", "remove_unused_columns", "save_safetensors", "use_liger_kernel",
        "warmup_ratio",
    },
    # Literal[False] beside a string is a boolean here, and a choice there.
    "0.9.5+5.6.0": LISTS | ALSO_TRUE | CLASSES | {"oft_target", "parallelism_config", "trackio_static_space_id"},
}  # fmt: skip
# The measured file gives an argument that moved between dataclasses (use_cache) the commands of the newest pair.
MOVED = {"0.9.3+4.51.1": {"use_cache"}, "0.9.5+5.6.0": set[str]()}
# Templates of a subclass of ReasoningTemplate are reasoning templates, too.
REASONING_SUBCLASS = {"0.9.3+4.51.1": set[str](), "0.9.5+5.6.0": {"aeva", "glm4_7"}}


@cache
def read(pair: str, suffix: str = ".json") -> Any:
    return json.loads((SCHEMAS / f"{pair}{suffix}").read_text("utf-8"))


def errors(pair: str, command: str, text: str) -> list[str]:
    """The keywords that a YAML text violates; draft 4, where 8.0 is not an integer."""
    document = read(pair)
    properties = {name: document["arguments"][name] for name in document[command]}
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return [str(error.validator) for error in Draft4Validator(schema).iter_errors(yaml.safe_load(text))]


def reference(name: str) -> Any:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip("no independently measured arguments beside the repository")
    return json.loads(path.read_text("utf-8"))


def measured_arguments(pair: str) -> dict[str, dict[str, Any]]:
    key = pair.replace("+", "/tf")
    stated = reference("llamafactory-args.json")
    return {
        name: argument | argument.get("differs_in", {}).get(key, {})
        for name, argument in stated.items()
        if key in argument["versions"]
    }


def shape(types: str | list[str], choices: list[str | None] | None, *, nullable: bool) -> tuple[object, ...]:
    """Types without null, whether null is taken, and the closed list of values."""
    listed = {types} if isinstance(types, str) else set(types)
    return frozenset(listed - {"null"}), nullable or "null" in listed, choices


def our_shape(argument: dict[str, Any]) -> tuple[object, ...]:
    if "enum" not in argument:
        return shape(argument["type"], None, nullable=False)
    choices = [choice for choice in argument["enum"] if choice is not None]
    return shape("string", choices, nullable=None in argument["enum"])


def measured_shape(argument: dict[str, Any]) -> tuple[object, ...]:
    return shape(argument["type"], argument["choices"], nullable=argument["nullable"])


@pytest.mark.parametrize("pair", PAIRS)
def test_each_argument_is_a_valid_schema_and_explained(pair: str) -> None:
    document = read(pair)
    for argument in document["arguments"].values():
        Draft4Validator.check_schema(argument)
        assert argument["description"]
        assert Draft4Validator(argument).is_valid(argument["default"])


@pytest.mark.parametrize("pair", PAIRS)
def test_commands_name_defined_arguments_in_order(pair: str) -> None:
    document = read(pair)
    for names in (document["train"], document["export"], list(document["arguments"])):
        assert names == sorted(set(names))
    assert set(document["arguments"]) == set(document["train"]) | set(document["export"])


@pytest.mark.parametrize("pair", PAIRS)
def test_the_file_says_what_it_is_for_and_stays_small(pair: str) -> None:
    document = read(pair)
    assert f"{document['llamafactory']}+{document['transformers']}" == pair
    assert set(document["transformers_range"]) == {"min", "max", "not"}
    assert (SCHEMAS / f"{pair}.json").stat().st_size < FILE_LIMIT


def test_every_pair_has_its_files() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {
        f"{pair}{end}" for pair in (*PAIRS, NEAR) for end in (".json", ".templates.json", ".facts.json")
    }


def test_the_pair_of_images_differs_from_the_newest_in_arguments_that_transformers_added() -> None:
    newest, near = read("0.9.5+5.6.0"), read(NEAR)
    added = {"ddp_static_graph", "trackio_bucket_id", "trackio_static_space_id"}
    assert set(newest["train"]) - set(near["train"]) == added
    assert set(near["train"]) <= set(newest["train"])
    assert read(NEAR, ".templates.json") == read("0.9.5+5.6.0", ".templates.json")


def test_the_range_of_transformers_is_the_packages_own() -> None:
    assert read("0.9.5+5.6.0")["transformers_range"] == {"min": "4.55.0", "max": "5.6.0", "not": ["4.52.0", "4.57.0"]}
    for pair in ("0.9.4+4.51.1", "0.9.4+4.57.1"):
        assert read(pair)["transformers_range"] == {"min": "4.51.0", "max": "4.57.1", "not": ["4.52.0", "4.57.0"]}
    assert "4.46.*" in read("0.9.3+4.51.1")["transformers_range"]["not"]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("text", [LORA_SFT, VISION_DDP, LOOSER], ids=["lora-sft", "vision-ddp", "looser-types"])
def test_training_yaml_is_accepted(pair: str, text: str) -> None:
    assert errors(pair, "train", text) == []


@pytest.mark.parametrize("pair", PAIRS)
def test_merge_yaml_is_accepted(pair: str) -> None:
    assert errors(pair, "export", MERGE) == []


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("command", "text", "keyword"), MISTAKES, ids=[text for _, text, _ in MISTAKES])
def test_a_mistake_is_one_error(pair: str, command: str, text: str, keyword: str) -> None:
    assert errors(pair, command, text) == [keyword]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("no_cuda: true", PAIRS[:3]),
        ("group_by_length: true", PAIRS[:3]),
        ("resources_per_worker: {GPU: 1}", PAIRS[:3]),
        ("use_cache: true", (PAIRS[0], PAIRS[3])),
        ("use_kv_cache: true", PAIRS[1:]),
        ("chunk_size: 1", PAIRS[1:3]),
        ("infer_backend: ktransformers", PAIRS[1:3]),
        ("hub_revision: main", PAIRS[2:]),
        ("train_sampling_strategy: group_by_length", PAIRS[3:]),
        ("finetuning_type: oft", PAIRS[1:]),
        ("mix_strategy: interleave_once", PAIRS[3:]),
    ],
)
def test_the_pairs_differ(text: str, accepted: tuple[str, ...]) -> None:
    assert tuple(pair for pair in PAIRS if not errors(pair, "train", text)) == accepted


def test_0_9_4_has_as_many_arguments_as_its_parser() -> None:
    """Counted by hand in the dataclasses of the package."""
    assert len(read("0.9.4+4.57.1")["train"]) == 354
    assert len(read("0.9.4+4.57.1")["export"]) == 210
    assert len(read("0.9.4+4.51.1", ".templates.json")["templates"]) == 124
    assert read("0.9.4+4.51.1", ".templates.json") == read("0.9.4+4.57.1", ".templates.json")


@pytest.mark.parametrize("pair", PAIRS)
def test_models_name_known_templates(pair: str) -> None:
    document = read(pair, ".templates.json")
    assert set(document["models"]) <= set(document["templates"])
    assert "Qwen/Qwen3-0.6B" in document["models"]["qwen3"]
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in document["models"]["qwen2_vl"]
    text = {"media": [], "reasoning": True, "efficient_eos": False}
    assert document["templates"]["qwen3"] == text
    assert document["templates"]["qwen2_vl"] == {**text, "media": ["images", "videos"], "reasoning": False}


def test_the_formats_of_a_dataset_are_those_of_the_release() -> None:
    assert read("0.9.3+4.51.1", ".templates.json")["formats"] == ["alpaca", "sharegpt"]
    assert read("0.9.5+5.6.0", ".templates.json")["formats"] == ["alpaca", "openai", "sharegpt"]


@pytest.mark.parametrize("pair", MEASURED)
def test_arguments_are_those_measured(pair: str) -> None:
    measured, document = measured_arguments(pair), read(pair)
    export = {name for name, argument in measured.items() if "export" in argument["commands"]}
    assert set(document["train"]) == set(measured)
    assert export ^ set(document["export"]) == MOVED[pair]


@pytest.mark.parametrize("pair", MEASURED)
def test_types_and_defaults_are_those_measured(pair: str) -> None:
    measured, ours = measured_arguments(pair), read(pair)["arguments"]
    assert {name for name in ours if our_shape(ours[name]) != measured_shape(measured[name])} == DIFFERENT[pair]
    assert [name for name in ours if ours[name]["default"] != measured[name]["default"]] == []


@pytest.mark.parametrize("pair", MEASURED)
def test_templates_are_those_measured(pair: str) -> None:
    measured = reference(f"llamafactory-templates-{pair.partition('+')[0]}.json")["templates"]
    ours = read(pair, ".templates.json")["templates"]
    facts = {
        name: {
            "media": [f"{kind}s" for kind in ("image", "video", "audio") if one.get(f"{kind}_token")],
            "reasoning": one["class"] == "ReasoningTemplate",
            "efficient_eos": one["efficient_eos"],
        }
        for name, one in measured.items()
    }
    assert set(ours) == set(facts)
    assert {name for name in ours if ours[name] != facts[name]} == REASONING_SUBCLASS[pair]


@pytest.mark.parametrize("pair", MEASURED)
def test_models_are_those_measured(pair: str) -> None:
    measured: dict[str, set[str]] = {}
    for group in reference(f"llamafactory-templates-{pair.partition('+')[0]}.json")["groups"]:
        ids = {model[hub] for model in group["models"].values() for hub in ("hf", "ms") if hub in model}
        if group["template"]:
            measured.setdefault(group["template"], set()).update(ids)
    assert {template: set(ids) for template, ids in read(pair, ".templates.json")["models"].items()} == measured
