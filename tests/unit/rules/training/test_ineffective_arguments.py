"""The table of ineffective arguments, row by row, against the code of LLaMA-Factory and transformers."""

from __future__ import annotations

import pytest

from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.rules.training.ineffective_arguments import TABLE
from ftc.spec.job import Trainer

OLD, NEW = (
    Versions(kubernetes_versions()[-1], volcano_versions()[-1], Trainer(*pair))
    for pair in (("0.9.3", "4.51.1"), ("0.9.5", "5.6.0"))
)
BASE = "model_name_or_path: a/b\ndo_train: true\ndataset: d\noutput_dir: o\n"
LORA, FULL, OFT, FREEZE = (f"finetuning_type: {name}" for name in ("lora", "full", "oft", "freeze"))
SFT, PT, DPO, KTO, PPO = (f"stage: {name}" for name in ("sft", "pt", "dpo", "kto", "ppo"))
EVALUATED = "val_size: 0.1\neval_strategy: steps"
NEVER = ""
# An argument that is not at its default, a training that does not read it, and one that does.
ROWS = (
    ("lora_rank: 4", FULL, LORA),
    ("lora_alpha: 4", FULL, LORA),
    ("lora_dropout: 0.1", OFT, LORA),
    ("lora_target: q_proj", FULL, OFT),
    ("additional_target: q_proj", FREEZE, LORA),
    ("oft_rank: 4", LORA, f"{OFT}\noft_block_size: 0"),
    ("oft_block_size: 4", LORA, OFT),
    ("module_dropout: 0.1", LORA, OFT),
    ("oft_target: q_proj", OFT, NEVER),
    ("freeze_trainable_layers: 4", LORA, FREEZE),
    ("freeze_trainable_layers: 4", FULL, f"{LORA}\nuse_llama_pro: true"),
    ("freeze_trainable_modules: q", LORA, FREEZE),
    ("freeze_extra_modules: q", LORA, FREEZE),
    ("create_new_adapter: true", LORA, f"{LORA}\nadapter_name_or_path: x"),
    ("pissa_iter: 4", LORA, f"{LORA}\npissa_init: true"),
    ("pissa_convert: true", LORA, f"{LORA}\npissa_init: true"),
    ("loraplus_lr_embedding: 1.0e-3", LORA, f"{LORA}\nloraplus_lr_ratio: 16.0"),
    ("galore_rank: 4", FULL, f"{FULL}\nuse_galore: true"),
    ("apollo_rank: 4", FULL, f"{FULL}\nuse_apollo: true"),
    ("badam_mode: ratio", FULL, f"{FULL}\nuse_badam: true"),
    ("swanlab_project: a", LORA, "use_swanlab: true"),
    ("pref_loss: ipo", KTO, DPO),
    ("pref_bco_weight: 0.1", SFT, DPO),
    ("simpo_gamma: 0.1", KTO, DPO),
    ("dpo_label_smoothing: 0.1", SFT, DPO),
    ("ld_alpha: 0.1", SFT, DPO),
    ("pref_beta: 0.2", SFT, KTO),
    ("pref_ftx: 0.2", SFT, DPO),
    ("kto_chosen_weight: 2.0", DPO, KTO),
    ("ppo_epochs: 8", DPO, PPO),
    ("reward_model: a", DPO, PPO),
    ("reward_model_type: full", DPO, PPO),
    ("ref_model: a", SFT, DPO),
    ("ref_model_adapters: a", SFT, KTO),
    ("ref_model: a", PT, f"{SFT}\nuse_asft_loss: true"),
    ("use_dft_loss: true", DPO, SFT),
    ("use_asft_loss: true", PT, SFT),
    ("use_eaft_loss: true", PT, SFT),
    ("use_hyper_parallel: true", DPO, SFT),
    ("asft_alpha: 0.2", SFT, "use_asft_loss: true"),
    ("eaft_alpha: 0.2", SFT, "use_eaft_loss: true"),
    ("packing: true", DPO, SFT),
    ("packing: true", KTO, PT),
    ("buffer_size: 4", LORA, "streaming: true"),
    ("quantization_method: hqq", LORA, "quantization_bit: 4"),
    ("quantization_type: fp4", LORA, "quantization_bit: 4"),
    ("double_quantization: false", LORA, "quantization_bit: 4"),
    ("eval_steps: 4", LORA, EVALUATED),
    ("save_steps: 4", "save_strategy: epoch", LORA),
    ("logging_steps: 4", "logging_strategy: epoch", LORA),
    ("logging_dir: a", LORA, NEVER),
    ("compute_accuracy: true", LORA, EVALUATED),
    ("per_device_eval_batch_size: 4", LORA, EVALUATED),
    ("eval_on_each_dataset: true", LORA, "do_predict: true"),
    ("metric_for_best_model: loss", LORA, f"{EVALUATED}\nload_best_model_at_end: true"),
    ("metric_for_best_model: loss", LORA, "save_strategy: best"),
    ("metric_for_best_model: loss", LORA, f"{EVALUATED}\nearly_stopping_steps: 3"),
    ("greater_is_better: true", LORA, f"{EVALUATED}\nlr_scheduler_type: reduce_lr_on_plateau"),
    ("max_new_tokens: 4", LORA, PPO),
    ("temperature: 0.1", LORA, "predict_with_generate: true"),
    ("top_p: 0.1", LORA, PPO),
    ("top_k: 4", LORA, PPO),
    ("do_sample: false", LORA, PPO),
    ("enable_thinking: false", "template: qwen", "template: qwen3"),
    ("preserve_thinking: true", "template: llama3", "template: qwen3"),
    ("fp8_backend: te", LORA, "fp8: true"),
    ("fp8_enable_fsdp_float8_all_gather: true", LORA, "fp8: true"),
    ("vllm_maxlen: 4", LORA, NEVER),
    ("sglang_maxlen: 4", LORA, NEVER),
    ("master_addr: a", LORA, "ray_num_workers: 2"),
    ("master_port: '1'", LORA, "ray_num_workers: 2"),
)


def unread(text: str, versions: Versions = NEW) -> set[object]:
    """The arguments that lint reports as ineffective."""
    found = lint([("train.yaml", f"{BASE}{text}\n".encode())], versions)
    return {d.path[-1] for d in found if d.code == "FTC463"}


@pytest.mark.parametrize(("argument", "without", "reading"), ROWS, ids=[f"{row[0]}, {row[2]}" for row in ROWS])
def test_an_argument_is_read_under_the_condition_of_its_row(argument: str, without: str, reading: str) -> None:
    name = argument.partition(":")[0]
    assert name in unread(f"{argument}\n{without}")
    if reading:
        assert name not in unread(f"{argument}\n{reading}")


def test_the_directory_of_tensorboard_is_an_argument_of_transformers_4() -> None:
    assert unread("logging_dir: a", OLD) == set()


# Arguments of Ray identify a file for Ray, and arguments of an export are not checked.
ELSEWHERE = {"ray_", "export_"}


def test_every_row_is_tested() -> None:
    tried = {row[0].partition(":")[0] for row in ROWS}
    for entry in {name for row in TABLE for name in row.names} - ELSEWHERE:
        assert any(name == entry or (entry.endswith("_") and name.startswith(entry)) for name in tried), entry
