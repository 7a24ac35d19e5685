"""The file with which LLaMA-Factory evaluates the result of a run on held-out rows: evaluate.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.spec.model import names
from ftc.trainer.arguments import LOADING, MERGED, OUTPUT, QUANTIZED, adapted, chosen, evaluation, in_order

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec, Tuned
    from ftc.spec.method import Method
    from ftc.spec.model import Dataset
    from ftc.trainer.arguments import Inputs

EVALUATION = "evaluation"

# The result gets the prompts of the training: these change how rows are read.
_READING = (
    *("cutoff_len", "max_samples", "default_system", "enable_thinking", "preserve_thinking", "tool_format"),
    *("image_max_pixels", "image_min_pixels", "image_do_pan_and_scan", "crop_to_patches"),
    *("video_max_pixels", "video_min_pixels", "video_fps", "video_maxlen"),
    *("audio_sampling_rate", "use_audio_in_video", "media_dir"),
    *("preprocessing_num_workers", "preprocessing_batch_size", "dataloader_num_workers"),
)
# How the processes compute.
_RUNNING = ("flash_attn", "per_device_eval_batch_size", "use_cpu", "ddp_timeout", "seed")
# With the same seed they take the same rows out of the training data (LLaMA-Factory, data/data_utils.py).
_SPLITTING = ("val_size", "mix_strategy", "interleave_probs")
# An adapter needs the weights that it was trained on; a whole result has its own.
_BELOW_AN_ADAPTER = (
    *("quantization_bit", "quantization_method", "quantization_type", "double_quantization", "rope_scaling"),
)

OWNED = {
    "do_eval": "evaluate",
    "do_predict": "evaluate",
    "predict_with_generate": "evaluate",
    "eval_dataset": "dataset.evaluation",
    **{name: f"train.{name}" for name in (*_SPLITTING, "seed", "streaming", "tokenized_path")},
}
"""Arguments of the prediction that follow from other keys, in addition to those of each training."""


def evaluate(spec: JobSpec, tuned: Tuned, inputs: Inputs) -> Json:
    """The content of evaluate.yaml.

    Source: LLaMA-Factory 0.9.5, examples/extras/nlg_eval. Without sampling two evaluations of a model are equal.
    """
    given = chosen(spec)
    media = {} if inputs.media is None else {"media_dir": inputs.media}
    return in_order(
        {
            **media,
            "do_sample": False,
            **{name: given[name] for name in (*_READING, *_RUNNING) if name in given},
            **held_out(spec, tuned.dataset),
            **(spec.evaluate or {}),
            **_result(spec, tuned.method, inputs),
            "template": tuned.model.template,
            "stage": "sft",
            "do_predict": True,
            "predict_with_generate": True,
            "dataset_dir": inputs.dataset_info,
            "output_dir": EVALUATION,
            "report_to": "none",
        }
    )


def held_out(spec: JobSpec, dataset: Dataset) -> Json:
    """The arguments that name the rows: those of the evaluation, or the part of the training data that is split off."""
    given = chosen(spec)
    own = evaluation(spec, dataset).get("eval_dataset") or given.get("eval_dataset")
    if own:
        return {"eval_dataset": own}
    split = {name: given[name] for name in _SPLITTING if name in given}
    return {"dataset": ",".join(names(dataset.trained)), **split}


def _result(spec: JobSpec, method: Method, inputs: Inputs) -> Json:
    """The arguments that load what the run publishes."""
    given = chosen(spec)
    if method.merge is None and method.finetuning_type == "lora":
        quantized = {name: given[name] for name in _BELOW_AN_ADAPTER if name in given}
        return {**adapted(spec, inputs), **quantized, "finetuning_type": "lora"}
    whole = QUANTIZED if method.quantize is not None else OUTPUT if method.merge is None else MERGED
    loading = {name: given[name] for name in LOADING if name in given}
    return {"model_name_or_path": whole, **loading, "finetuning_type": "full"}
