"""The arguments, capabilities and bugs of each release of LLaMA-Factory, from schemas/llamafactory.

schemas/images.json has the releases in images that are published by others.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.resources import directory
from ftc.spec.job import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.spec.base import Json


_TEMPLATES = ".templates.json"
_FACTS = ".facts.json"


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The capabilities and bugs of a pair of LLaMA-Factory and transformers, beyond its arguments and templates.

    Every pair states every fact. Sources: LLaMA-Factory model/model_utils/attention.py, data/collator.py,
    hparams/model_args.py, hparams/parser.py, extras/misc.py against train/ppo/trainer.py, docker/*/Dockerfile;
    transformers training_args.py, integrations/flash_attention.py.
    """

    has_flash_attention_3: bool
    """Whether `flash_attn: fa3` is implemented; it raises NotImplementedError otherwise."""
    flash_attention_2_crashes: bool
    """Whether `flash_attn: fa2` crashes: transformers 5.6.0 calls `s_aux.to` for models without attention sinks."""
    image_transformers: str
    """The version of transformers that an image with this release is built with."""
    neat_packing_needs_batch_size_1: bool
    """Whether neat packing with FlashAttention 2 requires batch size 1."""
    rejects_neat_packing: bool
    """Whether neat packing is rejected, because it does not support this transformers."""
    split_special_tokens_needs_slow_tokenizer: bool
    """Whether `split_special_tokens` is rejected with a fast tokenizer."""
    generation_needs_eval_dataset: bool
    """Whether `predict_with_generate` requires an `eval_dataset` instead of a part of the training data."""
    ppo_needs_another_trl: str
    """The newest trl that supports PPO, if the release itself refuses to start with it; otherwise empty."""
    reads_logging_dir: bool
    """Whether an argument sets TensorBoard's directory; otherwise TENSORBOARD_LOGGING_DIR does."""
    warmup_ratio_replaces_steps: bool
    """Whether `warmup_ratio` overrides `warmup_steps` and means steps above 1; otherwise it yields and is at most 1."""
    reads_yaml_with_omegaconf: bool
    """Whether `${` in a value is a reference; otherwise it is text."""
    image_packages: tuple[str, ...]
    """The optional packages in any published image of the release; `metrics` are those that score predictions."""


def pair(trainer: Trainer) -> str | None:
    """The name of the exact pair of versions, if it has a schema."""
    return trainer.pair if trainer.pair in pairs() else None


def known(llamafactory: str) -> str | None:
    """The pair of versions that represents a release of LLaMA-Factory."""
    return next((name for name in pairs() if name.startswith(f"{llamafactory}+")), None)


def nearest(trainer: Trainer) -> str:
    """The pair itself or the best substitute: one with the same major version of transformers, else the newest."""
    major = trainer.transformers.partition(".")[0]
    alike = [name for name in pairs() if name.partition("+")[2].partition(".")[0] == major]
    return pair(trainer) or [*pairs(), *alike][-1]


@cache
def pairs() -> tuple[str, ...]:
    """The pairs that have schemas, the newest last."""
    return tuple(sorted(file.name.removesuffix(_TEMPLATES) for file in _directory().glob(f"*{_TEMPLATES}")))


def in_words(name: str) -> str:
    """A pair in words."""
    return "llamafactory " + name.replace("+", " with transformers ")


def arguments(name: str) -> Json:
    """The arguments that `train` and `export` of a pair accept, and its supported versions of transformers."""
    return _load(f"{name}.json")


def default(name: str, argument: str) -> Any:
    """The default of an argument; None if the pair does not have the argument."""
    return arguments(name)["arguments"].get(argument, {}).get("default")


def data(name: str) -> Json:
    """The templates of a pair, their models, and the dataset formats."""
    return _load(f"{name}{_TEMPLATES}")


@cache
def facts(name: str) -> Facts:
    """The facts of a pair; a missing fact is an error that names it."""
    file = _directory() / f"{name}{_FACTS}"
    try:
        return msgspec.json.decode(file.read_bytes(), type=Facts)
    except (OSError, msgspec.MsgspecError) as error:
        message = f"{file} must state every fact of {in_words(name)}: {error}"
        raise ValueError(message) from error


def _directory() -> Path:
    return directory("schemas") / "llamafactory"


@cache
def _load(name: str) -> Json:
    content: Json = msgspec.json.decode((_directory() / name).read_bytes())
    return content


def contained(image: str) -> Trainer | None:
    """The versions in an image, whatever registry it is pulled from; None if they are unknown."""
    tagged = image.partition("@")[0]
    pair = next((pair for name, pair in _known().items() if tagged == name or tagged.endswith(f"/{name}")), None)
    return Trainer(*pair.split("+")) if pair else None


@cache
def _known() -> dict[str, str]:
    found: dict[str, str] = json.loads((directory("schemas") / "images.json").read_bytes())
    return found
