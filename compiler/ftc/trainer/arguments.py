"""The files that LLaMA-Factory reads: the training YAML, the merge YAML, and a generated dataset_info.json."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.spec.job import source_path
from ftc.spec.method import Ddp, DeepSpeed, Torchrun
from ftc.spec.model import names
from ftc.trainer import engines, release

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec, Tracking, Tuned
    from ftc.spec.method import Method, Quantization
    from ftc.spec.model import Dataset


OUTPUT = "output"
MERGED = "merged"
QUANTIZED = "quantized"

# The usual order in a training YAML: model, method, data, output, optimization.
_ORDER = (
    *("model_name_or_path", "model_revision", "adapter_name_or_path", "adapter_folder", "create_new_adapter"),
    *("trust_remote_code", "template"),
    *("image_max_pixels", "video_max_pixels", "flash_attn", "quantization_bit", "quantization_method"),
    *("stage", "do_train", "do_predict", "predict_with_generate", "finetuning_type"),
    *("lora_target", "lora_rank", "lora_alpha", "lora_dropout"),
    *("use_dora", "oft_rank", "oft_block_size", "freeze_trainable_layers", "freeze_trainable_modules"),
    *("freeze_vision_tower", "freeze_multi_modal_projector", "pref_beta", "pref_loss", "simpo_gamma", "deepspeed"),
    *("dataset", "dataset_dir", "media_dir", "eval_dataset", "cutoff_len", "max_samples", "overwrite_cache"),
    *("data_shared_file_system", "preprocessing_num_workers", "dataloader_num_workers"),
    *("output_dir", "overwrite_output_dir", "logging_steps", "logging_dir", "save_steps", "save_total_limit"),
    *(
        "save_only_model",
        "enable_jit_checkpoint",
        "plot_loss",
        "report_to",
        "use_swanlab",
        "swanlab_project",
        "swanlab_workspace",
        "swanlab_run_name",
        "run_name",
    ),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "num_train_epochs", "max_steps"),
    *("lr_scheduler_type", "warmup_ratio", "warmup_steps", "bf16", "fp16", "use_cpu", "ddp_timeout"),
    *("ddp_find_unused_parameters", "val_size", "per_device_eval_batch_size", "eval_strategy", "eval_steps"),
)
_RANK = {name: rank for rank, name in enumerate(_ORDER)}

# Derived arguments, and the key of the spec from which each is derived.
OWNED = {
    "model_name_or_path": "model.source",
    "model_revision": "model.source",
    "template": "model.template",
    "stage": "method.stage",
    "finetuning_type": "method.finetuning_type",
    "dataset": "dataset.names",
    "dataset_dir": "dataset.source",
    "output_dir": "storage.workspace",
    "deepspeed": "engine",
    "fsdp": "engine",
    "fsdp_config": "engine",
    "report_to": "tracking",
    "use_swanlab": "tracking.swanlab",
    "swanlab_project": "tracking.swanlab.project",
    "swanlab_workspace": "tracking.swanlab.workspace",
    "swanlab_mode": "tracking.swanlab.mode",
    "swanlab_api_key": "tracking.swanlab.token",
    "data_shared_file_system": "storage",
    "save_on_each_node": "storage",
    "do_train": "method.stage",
    "adapter_name_or_path": "method.adapter",
    "export_dir": "method.merge",
}

# These change the model, its tokenizer or its chat template, so the merge needs the same values: without the new tokens
# of the training the embeddings have another size (`size mismatch`, seen with LLaMA-Factory 0.9.5).
LOADING = ("trust_remote_code", "use_fast_tokenizer")
_SHAPING = (
    *(*LOADING, "add_tokens", "add_special_tokens", "new_special_tokens_config"),
    *("resize_vocab", "default_system"),
)


class Inputs(msgspec.Struct, frozen=True):
    """The trainer's inputs in the pod: `dataset_info` is the directory of dataset_info.json.

    A model with a revision is a repository that the trainer downloads. `adapter` is the directory of the adapter from
    which the training starts, `media` that of images, videos and audio; None is that of dataset_info.json. Trackers
    call the run `run_name`.
    """

    model: str
    model_revision: str | None
    adapter: str | None
    media: str | None
    dataset_info: str
    run_name: str
    shared_between_nodes: bool


def groups(spec: JobSpec) -> list[tuple[tuple[str, ...], Json]]:
    """The maps of trainer arguments with their key paths, in increasing order of precedence."""
    found: list[tuple[tuple[str, ...], Json]] = [(("hardware", "arguments"), spec.hardware.arguments)]
    found += [(("model", "arguments"), spec.model.arguments)] if spec.model else []
    for name, one in reversed((spec.dataset.parts if spec.dataset else {}).items()):
        found += [((*source_path(name)[:-1], "arguments"), one.arguments)]
    found += [(("method", "arguments"), spec.method.arguments)] if spec.method else []
    return [*found, (("train",), spec.train)]


def chosen(spec: JobSpec) -> Json:
    """The merged arguments of the groups and the user."""
    merged: Json = {}
    for _, arguments in groups(spec):
        merged.update(arguments)
    return merged


def set_at(spec: JobSpec, name: str) -> tuple[str, ...]:
    """The key path of the map that sets an argument."""
    return next((*path, name) for path, arguments in reversed(groups(spec)) if name in arguments)


def train(spec: JobSpec, tuned: Tuned, inputs: Inputs) -> Json:
    """The content of train.yaml."""
    model, dataset, method = tuned
    values: Json = {"overwrite_output_dir": False, **_cache(inputs), **_saving(spec, method)}
    values |= {**_run_name(spec.tracking, inputs), **chosen(spec)}
    values |= {
        **_model(inputs),
        **({} if inputs.adapter is None else {"adapter_name_or_path": inputs.adapter}),
        "template": model.template,
        "stage": method.stage,
        "do_train": True,
        "finetuning_type": method.finetuning_type,
        "dataset": ",".join(names(dataset.trained)),
        "dataset_dir": inputs.dataset_info,
        **evaluation(spec, dataset),
        "output_dir": OUTPUT,
        **_tracking(spec.tracking),
    }
    if inputs.media is not None:
        values.setdefault("media_dir", inputs.media)
    if seeks_unused_parameters(spec) and values.get("disable_gradient_checkpointing") is not True:
        values.setdefault("use_reentrant_gc", False)
    if isinstance(spec.engine, DeepSpeed):
        values["deepspeed"] = engines.deepspeed_config(spec.engine)
    return in_order(values)


def in_order(values: Json) -> Json:
    """The arguments in the usual order."""
    return dict(sorted(values.items(), key=_rank))


def evaluation(spec: JobSpec, dataset: Dataset) -> Json:
    """The arguments for evaluation data with their own source: they are used after each epoch by default."""
    given, ours = chosen(spec), names(dataset.evaluated)
    if not ours:
        return {}
    own = given.get("eval_dataset")
    others = own if isinstance(own, list) else [own] if own else []
    return {
        "eval_dataset": ",".join(map(str, (*others, *ours))),
        **({} if "eval_strategy" in given else {"eval_strategy": "epoch"}),
    }


def seeks_unused_parameters(spec: JobSpec) -> bool:
    """Whether DistributedDataParallel looks for unused parameters by default.

    transformers enables this if the model is not one of its own classes, as with a value head (reward models) or OFT;
    LLaMA-Factory disables it for LoRA only (0.9.3 to 0.9.5, hparams/parser.py; transformers, trainer.py,
    _wrap_model). Reentrant checkpointing then fails in the first backward pass: `Expected to mark a variable ready
    only once` (seen with one and with two processes of torchrun).
    """
    if spec.method is None or not isinstance(spec.engine, Ddp):
        return False
    together = spec.processes > 1 or isinstance(spec.launcher, Torchrun)
    return together and (spec.method.finetuning_type == "oft" or _has_a_value_head(spec.method))


def _has_a_value_head(method: Method) -> bool:
    return method.stage == "rm" and method.finetuning_type != "lora"


def _rank(item: tuple[str, Any]) -> tuple[int, str]:
    return _RANK.get(item[0], len(_RANK)), item[0]


def _model(inputs: Inputs) -> Json:
    revision = {} if inputs.model_revision is None else {"model_revision": inputs.model_revision}
    return {"model_name_or_path": inputs.model, **revision}


def _cache(inputs: Inputs) -> Json:
    """One node tokenizes for all if they share the run's directory, so that no node overwrites another's files.

    Source: LLaMA-Factory 0.9.3 to 0.9.5, data/loader.py and data/converter.py (`load_from_cache_file`).
    """
    return {"overwrite_cache": False, "data_shared_file_system": True} if inputs.shared_between_nodes else {}


def _saving(spec: JobSpec, method: Method) -> Json:
    """A checkpoint at SIGTERM, if the trainer supports it (transformers 5, trainer_jit_checkpoint.py).

    Each process stops at the step in which the signal reaches it, and several nodes get it in different steps: the
    processes that are behind wait for the others until they are killed. With sharding all processes must also save
    together. For reward models and PPO the checkpoint lacks what LLaMA-Factory's callbacks add.
    """
    pair = release.pair(spec.trainer)
    able = pair is not None and "enable_jit_checkpoint" in release.arguments(pair)["train"]
    alone = isinstance(spec.engine, Ddp) and method.stage not in ("rm", "ppo") and spec.nodes == 1
    return {"enable_jit_checkpoint": True} if able and alone else {}


def _tracking(tracking: Tracking) -> Json:
    """LLaMA-Factory itself reports to SwanLab, transformers to the others (train/trainer_utils.py)."""
    reported = [name for name in tracking.names if name != "swanlab"]
    own = tracking.swanlab
    return {
        "report_to": reported if len(reported) > 1 else next(iter(reported), "none"),
        **({"use_swanlab": True, "swanlab_project": own.project, "swanlab_mode": own.mode} if own else {}),
        **({"swanlab_workspace": own.workspace} if own and own.workspace else {}),
    }


def _run_name(tracking: Tracking, inputs: Inputs) -> Json:
    """The name of the run in the trackers, unless the user sets another one; TensorBoard has none."""
    named = tracking.mlflow is not None or tracking.wandb is not None
    return {
        **({"run_name": inputs.run_name} if named else {}),
        **({"swanlab_run_name": inputs.run_name} if tracking.swanlab else {}),
    }


def merge(spec: JobSpec, tuned: Tuned, inputs: Inputs) -> Json:
    """The content of merge.yaml: the adapter of the run, merged into the model on which it was trained.

    It has `stage` because the export copies the value head only for reward models (train/tuner.py).
    """
    method = tuned.method
    return {
        **adapted(spec, inputs),
        "template": tuned.model.template,
        **({"stage": method.stage} if method.stage == "rm" else {}),
        "finetuning_type": method.finetuning_type,
        "export_dir": MERGED,
        **(method.merge or {}),
    }


def adapted(spec: JobSpec, inputs: Inputs) -> Json:
    """The arguments that load the model with the adapter of the run."""
    shaping = {key: value for key, value in chosen(spec).items() if key in _SHAPING}
    return {**_model(inputs), "adapter_name_or_path": ",".join((*_merged_before(spec, inputs), OUTPUT)), **shaping}


def starts_new_adapter(spec: JobSpec) -> bool:
    """Whether the training merges the given adapter into the base model and creates another one."""
    given = spec.method is not None and spec.method.adapter is not None
    return given and chosen(spec).get("create_new_adapter") is True


def _merged_before(spec: JobSpec, inputs: Inputs) -> tuple[str, ...]:
    """The adapter that the trainer merges into the base model before it creates the one that it trains.

    The export merges its adapters in their order.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, model/adapter.py (_setup_lora_tuning).
    """
    if inputs.adapter is None or not starts_new_adapter(spec):
        return ()
    return (adapter_directory(spec, inputs.adapter),)


def adapter_directory(spec: JobSpec, source: str) -> str:
    """The directory of the given adapter in its source.

    The training gets `adapter_folder` itself; the export would look for the new adapter in that folder too.
    """
    folder = chosen(spec).get("adapter_folder")
    return f"{source}/{folder}" if folder else source


def quantize(spec: JobSpec, tuned: Tuned, quantization: Quantization) -> Json:
    """The content of quantize.yaml, which exports the run's full weights with fewer bits."""
    shaping = {key: value for key, value in chosen(spec).items() if key in LOADING}
    return {
        "model_name_or_path": OUTPUT if tuned.method.merge is None else MERGED,
        **shaping,
        "template": tuned.model.template,
        "export_dir": QUANTIZED,
        "export_quantization_bit": quantization.bits,
        "export_quantization_dataset": quantization.dataset,
        **quantization.arguments,
    }


def described(info: dict[str, Json], stage: str) -> dict[str, Json]:
    """The descriptions, with the column of text files that do not name theirs: pre-training reads it."""
    return {name: {**entry, **_columns_of_text(entry, stage)} for name, entry in info.items()}


def _columns_of_text(entry: Json, stage: str) -> Json:
    """A .txt file has the column `text` only (datasets, packaged_modules/text)."""
    is_text = stage == "pt" and str(entry.get("file_name", "")).lower().endswith(".txt")
    return {"columns": {"prompt": "text"}} if is_text and entry.keys().isdisjoint(("columns", "formatting")) else {}


def dataset_info(info: dict[str, Json], data: str, here: str) -> dict[str, Json]:
    """The entries of the file in directory `here`, with file names relative to it for files in directory `data`.

    LLaMA-Factory joins a relative name to the directory of dataset_info.json and uses an absolute one as is.
    """
    directory = data if data.startswith("/") else posixpath.relpath(data, here)
    return {name: _entry(entry, directory) for name, entry in info.items()}


def of_hub(info: dict[str, Json], repository: str) -> dict[str, Json]:
    """The entries for a repository that LLaMA-Factory downloads (data/parser.py, `hf_hub_url`).

    It does not name files there. A name without a file's suffix is a directory, which is a `folder` of the repository.
    """
    return {name: _entry_of_hub(entry, repository) for name, entry in info.items()}


def _entry_of_hub(entry: Json, repository: str) -> Json:
    name = entry.get("file_name")
    folder = {"folder": name} if isinstance(name, str) and posixpath.normpath(name) != "." else {}
    rest = {key: value for key, value in entry.items() if key != "file_name"}
    return {"hf_hub_url": repository, **folder, **rest}


PLACES = ("file_name", "script_url")
MEDIA = ("images", "videos", "audios")


def has_media(entry: Json) -> bool:
    """Whether an entry names columns with images, videos or audio."""
    columns = entry.get("columns")
    return isinstance(columns, dict) and any(columns.get(medium) for medium in MEDIA)


def _entry(entry: Json, directory: str) -> Json:
    """The entry with joined names; absolute names do not change."""
    named = {key: entry[key] for key in PLACES if isinstance(entry.get(key), str)}
    return {**entry, **{key: _joined(directory, name) for key, name in named.items()}}


def _joined(directory: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(directory, name))
