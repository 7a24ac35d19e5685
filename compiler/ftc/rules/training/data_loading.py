"""Rules on how the data is read: streamed, mixed, masked, packed, looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Training

if TYPE_CHECKING:
    from collections.abc import Iterator


def streams_have_an_end(run: Training) -> Iterator[Finding]:
    """Streaming has a number of steps, data loader workers, and a number of rows to evaluate on.

    The length of a stream is not known: LLaMA-Factory stops at once without `max_steps`, with `max_samples` or with a
    share as `val_size` (hparams/data_args.py, parser.py). A file is streamed in as many parts as the data loader has
    workers, so that without workers it is empty: `StopIteration` (data/loader.py; seen with 0.9.3 and 0.9.5). From a
    hub it is streamed by one process: `num_proc is not implemented` (datasets).

    Wrong: train.streaming=true
    Right: train.streaming=true train.max_steps=1000 train.dataloader_num_workers=4
    """
    if not run.on("streaming"):
        return
    at = ("streaming",)
    if run.number("max_steps") <= 0:
        yield Finding(at, "needs max_steps, because a stream has no length", {"max_steps": ANY})
    if run.value("max_samples") is not None:
        yield Finding(("max_samples",), "does not work with streaming", "leave it out, and set max_steps")
    if 0 < run.number("val_size") < 1:
        yield Finding(("val_size",), "must be a number of rows with streaming", "set 1000, for example")
    if run.value("tokenized_path") is not None:
        yield Finding(("tokenized_path",), "does not work with streaming", "leave it out")
    if run.value("dataloader_num_workers") == 0 and not _remote(run):
        message = "reads nothing of a file without data loader workers"
        yield Finding(at, message, {"dataloader_num_workers": 4}, run.along("dataloader_num_workers"))
    if _remote(run) and run.value("preprocessing_num_workers") is not None:
        message = "does not work with a stream from a hub"
        yield Finding(("preprocessing_num_workers",), message, "leave it empty: null")


def _remote(run: Training) -> bool:
    """Whether some data comes from a hub when it is read, not from a file."""
    return any(
        "hf_hub_url" in run.info.get(name, {}) or "ms_hub_url" in run.info.get(name, {}) for name in run.datasets
    )


def probabilities_have_datasets(run: Training) -> Iterator[Finding]:
    """Each dataset that is interleaved has a probability.

    LLaMA-Factory stops at once if nothing is interleaved, or if the lists differ in length
    (hparams/data_args.py).

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


def masks_agree(run: Training) -> Iterator[Finding]:
    """Only one of mask_history and train_on_prompt is on.

    LLaMA-Factory stops at once with both switches (hparams/data_args.py), and with the tokenizer loaded where a
    template ends its turns by the text that follows: `Current template does not support train_on_prompt`
    (data/template.py).

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


def packed_rows_come_alone(run: Training) -> Iterator[Finding]:
    """Neat packing with FlashAttention 2 has a batch size of 1.

    LLaMA-Factory 0.9.5 says in the first step: `bsz should be 1 for neat packing` (data/collator.py). A packed row
    holds `cutoff_len` tokens, so that a larger batch is a longer row.

    Wrong: train.neat_packing=true train.flash_attn=fa2
    Right: train.neat_packing=true train.flash_attn=fa2 train.per_device_train_batch_size=1
    """
    packs = run.on("neat_packing") and run.stage == "sft" and run.value("flash_attn") == "fa2"
    batch = run.number("per_device_train_batch_size")
    if packs and run.facts.neat_packing_needs_batch_size_1 and batch > 1:
        message = f"is {batch}, but neat packing with fa2 needs 1 in llamafactory {run.release}"
        help_ = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": ANY}
        yield Finding(("per_device_train_batch_size",), message, help_, run.along("neat_packing", "flash_attn"))


def pixels_have_a_range(run: Training) -> Iterator[Finding]:
    """The maximum of pixels is not below the minimum.

    LLaMA-Factory stops at once: `image_max_pixels cannot be smaller than image_min_pixels` (hparams/model_args.py).

    Wrong: train.image_max_pixels=1000
    Right: train.image_max_pixels=1000 train.image_min_pixels=100
    """
    for medium in ("image", "video"):
        most, fewest = run.number(f"{medium}_max_pixels"), run.number(f"{medium}_min_pixels")
        if most < fewest:
            name = f"{medium}_max_pixels" if run.gives(f"{medium}_max_pixels") else f"{medium}_min_pixels"
            message = f"{medium}_max_pixels is {most}, which is below {medium}_min_pixels, {fewest}"
            yield Finding((name,), message, f"set {medium}_max_pixels to {medium}_min_pixels or more")


def special_tokens_are_split(run: Training) -> Iterator[Finding]:
    """Special tokens are split by a tokenizer that supports it.

    LLaMA-Factory 0.9.3 stops at once: `split_special_tokens is only supported for slow tokenizers`
    (hparams/model_args.py).

    Wrong: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 train.split_special_tokens=true
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 train.split_special_tokens=true
      train.use_fast_tokenizer=false
    """
    needs_slow = run.facts.split_special_tokens_needs_slow_tokenizer and run.on("split_special_tokens")
    if needs_slow and run.on("use_fast_tokenizer"):
        message = f"needs a slow tokenizer in llamafactory {run.release}"
        yield Finding(("split_special_tokens",), message, {"use_fast_tokenizer": False})


RULES = (
    Rule("FTC458", "streaming-needs-max-steps", streams_have_an_end, Training),
    Rule("FTC459", "interleaving-needs-probabilities", probabilities_have_datasets, Training),
    Rule("FTC460", "conflicting-loss-masks", masks_agree, Training),
    Rule("FTC461", "neat-packing-needs-batch-size-1", packed_rows_come_alone, Training),
    Rule("FTC462", "invalid-pixel-range", pixels_have_a_range, Training),
    Rule("FTC429", "split-special-tokens-unsupported", special_tokens_are_split, Training),
)
