"""The training YAML and the merge YAML have the arguments of the user, the groups and the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from unit.compiling import artifacts, document, errors, fetcher, refused, trainer, variables

ALAUDA = (
    *("cluster=alauda", "hardware=alauda-vgpu", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"),
    *("source@model.source=git", "model.source.url=https://git.example.com/Qwen3-0.6B", "dataset=identity-alauda"),
    *("dataset.source.url=https://git.example.com/data", "storage=job-lifetime", "tracking=mlflow"),
    *("train.lora_dropout=0.1", "train.cutoff_len=1024", "train.max_samples=1000", "train.val_size=0.1"),
    *("train.gradient_accumulation_steps=2", "train.learning_rate=2.0e-4", "train.num_train_epochs=4.0"),
    *("train.bf16=false", "train.fp16=true", "train.eval_strategy=steps", "train.eval_steps=500"),
)


def train(*overrides: str) -> dict[str, Any]:
    value: dict[str, Any] = document("train.yaml", *overrides)
    return value


def test_a_scenario_of_the_guide_has_its_hyperparameters() -> None:
    wanted = {
        "template": "qwen3",
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_target": "all",
        "lora_rank": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.1,
        "dataset": "identity_alauda",
        "cutoff_len": 1024,
        "max_samples": 1000,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 2.0e-4,
        "num_train_epochs": 4.0,
        "bf16": False,
        "fp16": True,
        "ddp_timeout": 7200,
        "overwrite_output_dir": False,
        "report_to": "mlflow",
        "val_size": 0.1,
        "eval_strategy": "steps",
        "eval_steps": 500,
        "plot_loss": True,
    }
    written = train(*ALAUDA)
    assert {key: written.get(key) for key in wanted} == wanted
    dataset = variables(fetcher("dataset", *ALAUDA))["TARGET_DIR"]
    assert written["dataset_dir"] == f"{dataset}/files", "the repository has its own dataset_info.json"


def test_the_merge_takes_the_adapter_and_its_model() -> None:
    merged = document("merge.yaml", *ALAUDA)
    assert merged["model_name_or_path"] == train(*ALAUDA)["model_name_or_path"]
    assert merged["adapter_name_or_path"] == train(*ALAUDA)["output_dir"] == "output"
    assert merged["export_dir"] == "merged"
    assert (merged["template"], merged["finetuning_type"]) == ("qwen3", "lora")
    assert (merged["export_size"], merged["export_device"], merged["export_legacy_format"]) == (4, "cpu", False)


FIRST = ("source@method.adapter=path", "method.adapter.path=/workspace/sft/output")


@pytest.mark.parametrize(
    ("overrides", "merged"),
    [
        ((), "output"),
        (("train.create_new_adapter=false",), "output"),
        # LLaMA-Factory, model/adapter.py: the training merges the first one, and the export all in their order.
        (("train.create_new_adapter=true",), "/workspace/sft/output,output"),
        (("+method.arguments.create_new_adapter=true",), "/workspace/sft/output,output"),
        (
            ("train.create_new_adapter=true", "train.adapter_folder=checkpoint-9"),
            "/workspace/sft/output/checkpoint-9,output",
        ),
    ],
)
def test_a_training_starts_from_an_adapter_and_the_merge_takes_what_it_was_trained_on(
    overrides: tuple[str, ...], merged: str
) -> None:
    files = artifacts(*FIRST, *overrides)
    assert yaml.safe_load(files["train.yaml"])["adapter_name_or_path"] == "/workspace/sft/output"
    assert yaml.safe_load(files["merge.yaml"])["adapter_name_or_path"] == merged


def test_without_an_adapter_nothing_is_merged_before_the_training() -> None:
    assert "adapter_name_or_path" not in train("train.create_new_adapter=true")
    assert document("merge.yaml", "train.create_new_adapter=true")["adapter_name_or_path"] == "output"


def test_the_users_arguments_win_over_those_of_the_groups() -> None:
    assert train("method.arguments.learning_rate=1.0e-3")["learning_rate"] == 1.0e-3
    assert train("method.arguments.learning_rate=1.0e-3", "train.learning_rate=1.0e-6")["learning_rate"] == 1.0e-6
    assert (
        train("model.arguments={flash_attn: sdpa}", "dataset.arguments={max_samples: 9}").items()
        >= {
            "flash_attn": "sdpa",
            "max_samples": 9,
        }.items()
    )
    assert train("hardware.arguments={logging_steps: 7}")["logging_steps"] == 10, "the method is nearer to the user"


def test_what_shapes_the_model_shapes_the_merged_one_too() -> None:
    shaping = {"add_special_tokens": "<a>,<b>", "resize_vocab": True, "default_system": "You are brief."}
    merged = document("merge.yaml", *(f"train.{name}={json.dumps(value)}" for name, value in shaping.items()))
    assert {name: merged[name] for name in shaping} == shaping
    assert "learning_rate" not in merged


def test_the_merge_of_a_reward_model_keeps_its_value_head() -> None:
    assert document("merge.yaml", "method.stage=rm", "dataset.info=null")["stage"] == "rm"
    assert "stage" not in document("merge.yaml")


def test_a_trusted_model_is_trusted_when_it_is_merged_too() -> None:
    trusted = ("model.arguments={trust_remote_code: true}",)
    assert train(*trusted)["trust_remote_code"] is True
    assert document("merge.yaml", *trusted)["trust_remote_code"] is True
    assert "trust_remote_code" not in document("merge.yaml")


@pytest.mark.parametrize(
    ("overrides", "report"),
    [
        ((), "none"),
        (("tracking=tensorboard",), "tensorboard"),
        (("tracking=mlflow", "tracking.mlflow.uri=http://mlflow:5000"), "mlflow"),
        (("tracking=wandb",), "wandb"),
        (("tracking=swanlab",), "none"),
        (("tracking=swanlab", "tracking.tensorboard={}"), "tensorboard"),
        (("tracking=tensorboard", "tracking.mlflow.uri=http://mlflow:5000"), ["mlflow", "tensorboard"]),
    ],
)
def test_metrics_go_to_the_trackers(overrides: tuple[str, ...], report: str | list[str]) -> None:
    assert train(*overrides)["report_to"] == report


def test_swanlab_has_its_own_argument() -> None:
    written = train("tracking=swanlab", "tracking.swanlab={project: p, workspace: w, mode: local}")
    own = {name: value for name, value in written.items() if "swanlab" in name}
    given = {"swanlab_project": "p", "swanlab_workspace": "w", "swanlab_mode": "local"}
    assert own == {"use_swanlab": True, "swanlab_run_name": "qwen3-0-6b-lora-sft", **given}
    assert not [name for name in train() if "swanlab" in name]


def test_nodes_that_share_the_workspace_tokenise_once() -> None:
    several = train("nodes=2")
    assert several["overwrite_cache"] is False
    assert several["data_shared_file_system"] is True
    alone = train("nodes=1")
    assert "data_shared_file_system" not in alone
    assert train("train.overwrite_cache=true")["overwrite_cache"] is True


def test_a_described_dataset_is_described_in_the_pod() -> None:
    info = document("dataset_info.json")
    directory = variables(fetcher("dataset"))["TARGET_DIR"] + "/files"
    assert info == {"alpaca": {"file_name": f"{directory}/data"}}
    written = train()
    assert written["dataset_dir"] == "/etc/ftc"
    assert written["media_dir"] == directory
    assert written["dataset"] == "alpaca"


def test_a_description_keeps_all_its_words() -> None:
    description = (
        "dataset.info={mine: {file_name: a/b.json, formatting: sharegpt, columns: {messages: conversations},"
        " tags: {role_tag: from, content_tag: value, user_tag: a, assistant_tag: b}},"
        " other: {hf_hub_url: org/data, subset: '中'}}"
    )
    info = document("dataset_info.json", "dataset.names=[mine,other]", description)
    directory = variables(fetcher("dataset"))["TARGET_DIR"] + "/files"
    assert info["mine"] == {
        "file_name": f"{directory}/a/b.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
        "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "a", "assistant_tag": "b"},
    }
    assert info["other"] == {"hf_hub_url": "org/data", "subset": "中"}
    assert train("dataset.names=[mine,other]", description)["dataset"] == "mine,other"


ON_A_VOLUME = ("dataset=custom", "source@dataset.source=path", "dataset.source.path=/workspace/data")


def test_a_place_and_a_description_are_enough_for_a_dataset() -> None:
    written = train(*ON_A_VOLUME, "dataset.info={faq: {file_name: faq.json}, tickets: {file_name: tickets.jsonl}}")
    assert written["dataset"] == "faq,tickets"
    assert written["media_dir"] == "/workspace/data"


@pytest.mark.parametrize(
    ("entry", "columns"),
    [
        ("file_name: a.txt", {"prompt": "text"}),
        ("file_name: a.jsonl", None),
        ("file_name: a.txt, columns: {prompt: text, system: text}", {"prompt": "text", "system": "text"}),
    ],
)
def test_a_text_file_for_pretraining_needs_no_columns(entry: str, columns: object) -> None:
    info = document("dataset_info.json", *ON_A_VOLUME, "method=lora-pt", f"dataset.info={{articles: {{{entry}}}}}")
    assert info["articles"].get("columns") == columns


def test_an_absolute_file_name_is_kept() -> None:
    info = document("dataset_info.json", "dataset.info={alpaca: {file_name: /data/x.json}}")
    assert info["alpaca"]["file_name"] == "/data/x.json"


def zero(*overrides: str) -> dict[str, Any]:
    value: dict[str, Any] = train(*overrides)["deepspeed"]
    return value


@pytest.mark.parametrize(
    ("engine", "stage", "offloaded"),
    [
        ("deepspeed-z2", 2, set()),
        ("deepspeed-z3", 3, set()),
        ("deepspeed-z2-offload", 2, {"offload_optimizer"}),
        ("deepspeed-z3-offload", 3, {"offload_optimizer", "offload_param"}),
    ],
)
def test_deepspeed_is_inline(engine: str, stage: int, offloaded: set[str]) -> None:
    config = zero(f"engine={engine}", "devices=2")
    optimization = config["zero_optimization"]
    assert optimization["stage"] == stage
    assert {key for key in optimization if key.startswith("offload")} == offloaded
    assert all(optimization[key]["device"] == "cpu" for key in offloaded)
    automatic = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
    assert {config[key] for key in automatic} == {"auto"}
    assert config["bf16"]["enabled"] == config["fp16"]["enabled"] == "auto"
    assert optimization.get("stage3_gather_16bit_weights_on_model_save", stage == 2) is True


def test_a_setting_of_deepspeed_is_laid_over_the_others() -> None:
    plain = zero("engine=deepspeed-z3")
    changed = zero(
        "engine=deepspeed-z3", "engine.config={zero_optimization: {reduce_bucket_size: 1}, steps_per_print: 5}"
    )
    assert changed["steps_per_print"] == 5
    assert changed["zero_optimization"] == {**plain["zero_optimization"], "reduce_bucket_size": 1}


def test_without_deepspeed_its_arguments_are_absent() -> None:
    assert "deepspeed" not in train()
    assert "deepspeed" not in train("engine=fsdp2", "launcher=accelerate", "devices=2")


def accelerate(*overrides: str) -> dict[str, Any]:
    value: dict[str, Any] = document("accelerate.yaml", "launcher=accelerate", *overrides)
    return value


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ((), {"num_machines": 1, "num_processes": 1, "distributed_type": "NO", "use_cpu": False}),
        (("devices=4",), {"num_machines": 1, "num_processes": 4, "distributed_type": "MULTI_GPU"}),
        (("nodes=2", "devices=4"), {"num_machines": 2, "num_processes": 8, "distributed_type": "MULTI_GPU"}),
        (("nodes=2", "hardware=ascend"), {"num_processes": 2, "distributed_type": "MULTI_NPU"}),
        (("hardware=cpu",), {"distributed_type": "NO", "use_cpu": True}),
        (("hardware=cpu", "nodes=2"), {"distributed_type": "MULTI_GPU", "use_cpu": False}),
        ((), {"mixed_precision": "bf16", "rdzv_backend": "static"}),
        (("train.bf16=false", "train.fp16=true"), {"mixed_precision": "fp16"}),
        (("train.bf16=false",), {"mixed_precision": "no"}),
        (("nodes=2", "engine=deepspeed-z3"), {"distributed_type": "MULTI_GPU"}),
        (("engine=fsdp2", "devices=2"), {"distributed_type": "FSDP"}),
    ],
)
def test_accelerate_gets_the_world_size(overrides: tuple[str, ...], wanted: dict[str, object]) -> None:
    config = accelerate(*overrides)
    assert {key: config.get(key) for key in wanted} == wanted


def test_no_rank_and_no_address_stand_in_accelerates_file() -> None:
    assert not {"machine_rank", "main_process_ip", "main_process_port"} & accelerate("nodes=2").keys()


@pytest.mark.parametrize(("offload", "wanted"), [("false", False), ("true", True)])
def test_fsdp_is_in_accelerates_file(offload: str, wanted: bool) -> None:  # noqa: FBT001 - a parameter of a table
    config = accelerate("engine=fsdp2", "devices=2", f"engine.offload={offload}")["fsdp_config"]
    assert config["fsdp_version"] == 2
    assert config["fsdp_offload_params"] is wanted


@pytest.mark.parametrize(
    ("overrides", "one_process_loads"),
    [
        (("engine=fsdp2",), True),
        (("engine=fsdp",), True),
        (("engine=fsdp-offload",), True),
        (("engine=fsdp2-offload",), False),
        (("engine=fsdp2", "method=full-sft"), True),
        (("engine=fsdp2", "method=qlora-sft"), False),
        (("engine=fsdp2", "method=qlora-dpo", "dataset=dpo-mix-en"), False),
        (("engine=fsdp2-offload", "method=qlora-sft"), False),
        (("engine=fsdp2", "method=oft-sft", "train.quantization_bit=4"), False),
    ],
)
def test_every_process_loads_the_weights_if_fsdp2_cannot_send_them(
    overrides: tuple[str, ...],
    one_process_loads: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    """On two H200 these values trained, and the others raised an exception."""
    assert accelerate("devices=2", *overrides)["fsdp_config"]["fsdp_cpu_ram_efficient_loading"] is one_process_loads


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (("method=full-rm", "devices=2"), False),
        (("method=full-rm", "nodes=2"), False),
        (("method=full-rm", "launcher=torchrun"), False),
        (("method=full-rm", "method.finetuning_type=freeze", "devices=2"), False),
        (("method=oft-sft", "devices=2"), False),
        (("method=full-rm", "devices=2", "train.disable_gradient_checkpointing=true"), None),
        (("method=full-rm",), None),
        (("method=lora-rm", "devices=2"), None),
        (("method=full-dpo", "devices=2"), None),
        (("method=full-kto", "dataset=kto-mix-15k", "devices=2"), None),
        (("method=freeze-sft", "devices=2"), None),
        (("method=full-rm", "devices=2", "engine=deepspeed-z2"), None),
        (("method=full-rm", "devices=2", "engine=fsdp2", "launcher=accelerate"), None),
    ],
)
def test_checkpoints_are_not_reentrant_where_ddp_looks_for_unused_parameters(
    overrides: tuple[str, ...], wanted: object
) -> None:
    """Tried with the trainer on two processes: the rows with false fail without it, the others train."""
    data = ("dataset=dpo-mix-en",) if "rm" in overrides[0] or "dpo" in overrides[0] else ()
    assert train(*overrides, *data).get("use_reentrant_gc") is wanted


@pytest.mark.parametrize(
    ("overrides", "forced"),
    [
        ((), False),
        (("devices=2",), True),
        (("nodes=2",), True),
        (("engine=deepspeed-z2",), True),
        (("launcher=torchrun", "devices=2"), False),
    ],
)
def test_the_trainers_command_starts_torchrun_for_several_processes(
    overrides: tuple[str, ...],
    forced: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    assert (variables(trainer(*overrides)).get("FORCE_TORCHRUN") == "1") is forced


def test_every_key_is_in_order_and_unique() -> None:
    text = artifacts("train.learning_rate=1.0e-6", "train.seed=1")["train.yaml"]
    keys = [line.partition(":")[0] for line in text.splitlines() if not line.startswith(" ")]
    assert len(keys) == len(set(keys))
    assert keys[:2] == ["model_name_or_path", "template"]
    assert keys == [
        line.partition(":")[0]
        for line in artifacts("train.seed=2", "train.learning_rate=1.0e-5")["train.yaml"].splitlines()
        if not line.startswith(" ")
    ]


@pytest.mark.parametrize(
    ("override", "instead"),
    [
        ("train.output_dir=/x", "storage"),
        ("train.model_name_or_path=a/b", "model.source"),
        ("train.deepspeed=ds.json", "engine"),
        ("train.report_to=wandb", "tracking"),
        ("train.use_swanlab=true", "tracking.swanlab"),
        ("train.template=qwen", "model.template"),
        ("method.arguments.dataset=x", "dataset.names"),
    ],
)
def test_what_follows_from_another_key_is_refused_with_that_key(override: str, instead: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[FTC403 reserved-argument]" in said
    assert instead in said.partition("help: ")[2]


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("train.learning_rate=fast", "number"),
        ("train.lora_rank=8.5", "an integer"),
        ("train.bf16=perhaps", "true or false"),
        ("train.eval_strategy=sometimes", "steps"),
        ("method.merge.export_device=tpu", "auto"),
        ("train.learnig_rate=1.0", "'learning_rate'"),
    ],
)
def test_an_argument_that_the_trainer_would_refuse_is_refused_before(override: str, wanted: str) -> None:
    (line,) = errors(override)
    assert line.startswith(f"override '{override}': error[FTC404 invalid-argument]")
    assert wanted in refused(override)


@pytest.mark.parametrize(
    "override", ["train.lora_target=[q_proj]", "train.learning_rate=1", "train.resume_from_checkpoint=null"]
)
def test_an_argument_that_the_trainer_takes_is_taken(override: str) -> None:
    assert train(override)


@pytest.mark.parametrize(
    ("overrides", "saves"),
    [
        ((), True),
        (("devices=2",), True),
        (("method=lora-dpo", "dataset=dpo-mix-en"), True),
        (("train.enable_jit_checkpoint=false",), False),
        (("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"), None),
        (("trainer.transformers=5.5.0",), None),  # not known here
        (("method=lora-rm", "dataset=dpo-mix-en"), None),
        (("engine=deepspeed-z2", "devices=2"), None),
        (("engine=fsdp2", "devices=2", "launcher=accelerate"), None),
        (("nodes=2",), None),
        (("nodes=2", "min_nodes=1", "restarts=3", "launcher=torchrun"), None),
    ],
)
def test_a_training_of_one_node_saves_at_a_signal_if_one_rank_can_save_alone(
    overrides: tuple[str, ...], saves: object
) -> None:
    assert train(*overrides).get("enable_jit_checkpoint") is saves
