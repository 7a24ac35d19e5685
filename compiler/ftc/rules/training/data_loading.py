"""Rules on reading the data: streaming, interleaving, loss masks, packing, pixels and tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Training
from ftc.trainer.release import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator


def streaming_needs_max_steps(run: Training) -> Iterator[Finding]:
    """Streaming is used with a number of steps, data loader workers, and a number of rows to evaluate on.

    The length of a stream is unknown: LLaMA-Factory stops at once without `max_steps`, with `max_samples` or with a
    share as `val_size`. A file is split into one stream per data loader worker, so without workers it is empty:
    `StopIteration` (with 0.9.3 and 0.9.5). One process reads the stream from a hub: `num_proc is not implemented`.
    Source: LLaMA-Factory, hparams/data_args.py, hparams/parser.py and data/loader.py; datasets.

    Wrong: train.streaming=true
    Right: train.streaming=true train.max_steps=1000 train.dataloader_num_workers=4
    """
    if not run.on("streaming"):
        return
    at = ("streaming",)
    if run.number("max_steps") <= 0:
        yield Finding(at, "needs max_steps, because the length of a stream is unknown", {"max_steps": ANY})
    if run.value("max_samples") is not None:
        yield Finding(("max_samples",), "does not work with streaming", "leave it out, and set max_steps")
    if 0 < run.number("val_size") < 1:
        yield Finding(("val_size",), "must be a number of rows with streaming", "set a number such as 1000")
    if run.value("tokenized_path") is not None:
        yield Finding(("tokenized_path",), "does not work with streaming", "leave it out")
    if run.value("dataloader_num_workers") == 0 and not _remote(run):
        message = "reads no rows from a file without data loader workers"
        yield Finding(at, message, {"dataloader_num_workers": 4}, run.along("dataloader_num_workers"))
    if _remote(run) and run.value("preprocessing_num_workers") is not None:
        message = "does not work with a stream from a hub"
        yield Finding(("preprocessing_num_workers",), message, "set null")


def _remote(run: Training) -> bool:
    """Whether some data is read from a hub, not from a file."""
    return any(
        "hf_hub_url" in run.info.get(name, {}) or "ms_hub_url" in run.info.get(name, {}) for name in run.datasets
    )


def invalid_interleave_probabilities(run: Training) -> Iterator[Finding]:
    """Each interleaved dataset has a probability.

    LLaMA-Factory stops at once if the datasets are not interleaved, or if the lists differ in length.
    Source: LLaMA-Factory, hparams/data_args.py.

    Wrong: 'train.interleave_probs=[0.7,0.3]' train.mix_strategy=interleave_under
    Right: 'train.interleave_probs=[0.7,0.3]' train.mix_strategy=interleave_under dataset.info=null
      'dataset.names=[a,b]'
    """
    given = run.value("interleave_probs")
    if given is None:
        return
    if run.value("mix_strategy") == "concat":
        message = "needs a mix_strategy that interleaves, but it is concat"
        yield Finding(("interleave_probs",), message, {"mix_strategy": "interleave_under"})
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    for names in (run.datasets, run.evaluated):
        if names and len(parts) != len(names):
            message = f"has {len(parts)} values, but there are {len(names)} datasets: {', '.join(names)}"
            yield Finding(("interleave_probs",), message, "give one for each dataset", (("dataset",),))
    if not all(_NUMBER.fullmatch(str(part).strip()) for part in parts):
        yield Finding(("interleave_probs",), "must be numbers", "write 0.7,0.3")


_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(e-?[0-9]+)?")


def conflicting_loss_masks(run: Training) -> Iterator[Finding]:
    """Only one of mask_history and train_on_prompt is on.

    LLaMA-Factory stops at once if both are on. With a template that marks the end of a turn by the text that follows,
    it stops after it has loaded the tokenizer: `Current template does not support train_on_prompt`.
    Source: LLaMA-Factory, hparams/data_args.py and data/template.py.

    Wrong: train.mask_history=true train.train_on_prompt=true
    Right: train.mask_history=true
    """
    if not run.on("train_on_prompt"):
        return
    if run.on("mask_history"):
        message = "trains on all prompts, but mask_history keeps only the last answer"
        yield Finding(("train_on_prompt",), message, "leave out one of the two", run.along("mask_history"))
    if run.template.get("efficient_eos"):
        message = f"does not work with template {run.value('template')}"
        yield Finding(("train_on_prompt",), message, "leave it out", (("template",),))


def neat_packing_needs_batch_size_1(run: Training) -> Iterator[Finding]:
    """Neat packing with FlashAttention 2 has a batch size of 1.

    LLaMA-Factory 0.9.5 stops in the first step: `bsz should be 1 for neat packing`. A packed row holds `cutoff_len`
    tokens, so a longer row replaces a larger batch.
    Source: LLaMA-Factory 0.9.5, data/collator.py.

    Wrong: train.neat_packing=true train.flash_attn=fa2 trainer.transformers=5.5.4
    Right: train.neat_packing=true train.flash_attn=sdpa
    """
    packs = run.on("neat_packing") and run.stage == "sft" and run.value("flash_attn") == "fa2"
    batch = run.number("per_device_train_batch_size")
    if packs and run.facts.neat_packing_needs_batch_size_1 and batch > 1:
        message = f"is {batch}, but neat packing with fa2 needs 1 in llamafactory {run.release}"
        help_ = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": ANY}
        yield Finding(("per_device_train_batch_size",), message, help_, run.along("neat_packing", "flash_attn"))


def neat_packing_rejected(run: Training) -> Iterator[Finding]:
    """The trainer supports neat packing with its transformers.

    LLaMA-Factory 0.9.4 stops at once with transformers 4.53 and later: `Neat packing is incompatible with
    transformers>=4.53.0`. 0.9.5 supports it again.
    Source: LLaMA-Factory 0.9.4, hparams/parser.py.

    Wrong: trainer.llamafactory=0.9.4 trainer.transformers=4.57.1 image=hiyouga/llamafactory:0.9.4
      train.neat_packing=true
    Right: trainer.llamafactory=0.9.4 trainer.transformers=4.51.1 image=hiyouga/llamafactory:0.9.4
      train.neat_packing=true
    """
    if run.facts.rejects_neat_packing and run.on("neat_packing") and run.stage == "sft":
        message = f"is not supported by {in_words(run.pair)}"
        yield Finding(("neat_packing",), message, "use packing=true, or an image with transformers before 4.53")


def invalid_pixel_range(run: Training) -> Iterator[Finding]:
    """The maximum number of pixels is not below the minimum.

    LLaMA-Factory stops at once: `image_max_pixels cannot be smaller than image_min_pixels`.
    Source: LLaMA-Factory, hparams/model_args.py.

    Wrong: train.image_max_pixels=1000
    Right: train.image_max_pixels=1000 train.image_min_pixels=100
    """
    for medium in ("image", "video"):
        most, fewest = run.number(f"{medium}_max_pixels"), run.number(f"{medium}_min_pixels")
        if most < fewest:
            name = f"{medium}_max_pixels" if run.gives(f"{medium}_max_pixels") else f"{medium}_min_pixels"
            message = f"{medium}_max_pixels is {most}, which is below {medium}_min_pixels, {fewest}"
            yield Finding((name,), message, f"set {medium}_max_pixels to {medium}_min_pixels or more")


# Pixels on each side of a token: the patches of the vision tower, merged two by two (preprocessor_config.json).
_SIDES = {
    **dict.fromkeys(("qwen2_vl", "qwen2_omni", "mimo_vl", "keye_vl", "glm4v", "glm4_5v"), 28),
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_nothink", "qwen3_omni", "qwen3_omni_nothink"), 32),
    **dict.fromkeys(("qwen3_5", "qwen3_5_nothink", "qwen3_6"), 32),
}


def image_tokens_exceed_cutoff(run: Training) -> Iterator[Finding]:
    """The tokens of an image fit into the sequence.

    LLaMA-Factory scales an image down to `image_max_pixels` and cuts the sequence after `cutoff_len` tokens. If the cut
    is within an image, the step fails: `Image features and image tokens do not match`. Smaller images may fit.
    Source: LLaMA-Factory, data/mm_plugin.py and data/processor/supervised.py; issues 5968, 6559 and 6844.

    Wrong: model=qwen2.5-vl-7b-instruct dataset=llava-1k-en train.cutoff_len=512
    Right: model=qwen2.5-vl-7b-instruct dataset=llava-1k-en train.cutoff_len=2048
    """
    side = _SIDES.get(str(run.value("template")))
    if side is None or not _reads_images(run):
        return
    pixels, room = int(run.number("image_max_pixels")), int(run.number("cutoff_len"))
    tokens = pixels // side**2
    if 0 < room <= tokens:
        size = f"an image of image_max_pixels={pixels} has {tokens} tokens ({side} x {side} pixels each)"
        message = f"{size}, and cutoff_len={room} cuts through them"
        where = ("cutoff_len",) if run.gives("cutoff_len") else ("image_max_pixels",)
        longer, smaller = {"cutoff_len": tokens + 512}, {"image_max_pixels": room // 2 * side**2}
        yield Finding(where, message, (longer, smaller), run.along("image_max_pixels"))


def _reads_images(run: Training) -> bool:
    """Whether the datasets have images; without their descriptions, whether the file limits the pixels of images."""
    if run.dataset_info is None:
        return run.gives("image_max_pixels")
    return any((run.info.get(name, {}).get("columns") or {}).get("images") for name in run.datasets)


def split_special_tokens_unsupported(run: Training) -> Iterator[Finding]:
    """Special tokens are split only by a tokenizer that supports it.

    LLaMA-Factory 0.9.3 stops at once: `split_special_tokens is only supported for slow tokenizers`.
    Source: LLaMA-Factory 0.9.3, hparams/model_args.py.

    Wrong: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 train.split_special_tokens=true
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 train.split_special_tokens=true
      train.use_fast_tokenizer=false
    """
    needs_slow = run.facts.split_special_tokens_needs_slow_tokenizer and run.on("split_special_tokens")
    if needs_slow and run.on("use_fast_tokenizer"):
        message = f"needs a slow tokenizer in llamafactory {run.release}"
        yield Finding(("split_special_tokens",), message, {"use_fast_tokenizer": False})


RULES = (
    Rule("FTC458", "streaming-needs-max-steps", streaming_needs_max_steps, Training),
    Rule("FTC459", "invalid-interleave-probabilities", invalid_interleave_probabilities, Training),
    Rule("FTC460", "conflicting-loss-masks", conflicting_loss_masks, Training),
    Rule("FTC461", "neat-packing-needs-batch-size-1", neat_packing_needs_batch_size_1, Training),
    Rule("FTC566", "neat-packing-rejected", neat_packing_rejected, Training),
    Rule("FTC462", "invalid-pixel-range", invalid_pixel_range, Training),
    Rule("FTC478", "image-tokens-exceed-cutoff", image_tokens_exceed_cutoff, Training, Severity.WARNING),
    Rule("FTC429", "split-special-tokens-unsupported", split_special_tokens_unsupported, Training),
)
