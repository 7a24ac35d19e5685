"""The packages of an image except the hardware's PyTorch, and the keys of the spec that require them.

They are pinned in conf/pins by `make pins`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, assert_never

from ftc.resources import directory
from ftc.spec.job import Trainer, source_path
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.source import S3, S3Push
from ftc.trainer import release
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec


# Optimizers of bitsandbytes (transformers, training_args.py, OptimizerNames).
_BITSANDBYTES = re.compile(r"paged_\w+|(adamw|lion|ademamix)_8bit|\w+_bnb(_8bit)?")
# Packages without pins that LLaMA-Factory (hparams/parser.py) and transformers' optimizers (trainer.py) require.
_UNPINNED = {
    "enable_liger_kernel": "liger-kernel",
    "mixture_of_depths": "mixture-of-depth",
    "use_adam_mini": "adam-mini",
    "use_apollo": "apollo-torch",
    "use_badam": "badam",
    "use_galore": "galore-torch",
    "use_kt": "kt-kernel",
    "use_unsloth": "unsloth",
}
_QUANTIZERS = ("hqq", "eetq")
_OPTIMIZERS = {
    "adalomo": "lomo-optim",
    "adamw_apex_fused": "apex",
    "adamw_torch_4bit": "torchao",
    "adamw_torch_8bit": "torchao",
    "grokadamw": "grokadamw",
    "lomo": "lomo-optim",
    "schedule_free_adamw": "schedulefree",
    "schedule_free_radam": "schedulefree",
    "schedule_free_sgd": "schedulefree",
    "stable_adamw": "torch-optimi",
}


@cache
def pairs() -> tuple[str, ...]:
    """The pairs that have pins: `<llamafactory>+<transformers>`."""
    return tuple(sorted(pair.name for pair in (directory("conf") / "pins").iterdir()))


def built(trainer: Trainer) -> Trainer:
    """The pair that an image is built with; another version of transformers if that of the pair has a known bug."""
    name = release.pair(trainer)
    return Trainer(trainer.llamafactory, release.facts(name).image_transformers) if name else trainer


def pins(spec: JobSpec) -> tuple[str, ...]:
    """The complete pins of the trainer for this run, so that pip does not choose a version."""
    files = [_lines(built(spec.trainer).pair, name) for name in ("trainer", *extras(spec))]
    return tuple(sorted({line for lines in files for line in lines}))


@cache
def _lines(pair: str, name: str) -> tuple[str, ...]:
    file = directory("conf") / "pins" / pair / f"{name}.txt"
    return tuple(line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


def extras(spec: JobSpec) -> tuple[str, ...]:
    """The extra packages that engine, tracking, storage and arguments require; without them the run fails."""
    return tuple(sorted({*_of_storage(spec), *_of_training(spec)}))


def _of_training(spec: JobSpec) -> Iterator[str]:
    """The extra packages that the training itself imports: other containers download and publish."""
    yield from _of_engine(spec)
    yield from spec.tracking.names
    yield from (extra for _, extra in of_arguments(spec))
    if spec.evaluates:
        yield "metrics"


# The modules of a training's extras. TensorBoard is not listed, because another package can replace it.
_MODULES = {
    "bitsandbytes": ("bitsandbytes",),
    "deepspeed": ("deepspeed",),
    "metrics": ("jieba", "nltk", "rouge_chinese"),
    "mlflow": ("mlflow",),
    "swanlab": ("swanlab",),
    "wandb": ("wandb",),
}
# The module of each package without pins.
_UNPINNED_MODULES = {
    "adam-mini": "adam_mini",
    "apex": "apex",
    "apollo-torch": "apollo_torch",
    "badam": "badam",
    "eetq": "eetq",
    "galore-torch": "galore_torch",
    "grokadamw": "grokadamw",
    "hqq": "hqq",
    "kt-kernel": "kt_kernel",
    "liger-kernel": "liger_kernel",
    "lomo-optim": "lomo_optim",
    "mixture-of-depth": "MoD",
    "schedulefree": "schedulefree",
    "torch-optimi": "optimi",
    "torchao": "torchao",
    "unsloth": "unsloth",
}


def modules(spec: JobSpec) -> tuple[str, ...]:
    """The modules that the training imports in addition to the trainer's; some only after hours."""
    quantizing = spec.method is not None and spec.method.quantize is not None
    found = [name for extra in sorted(set(_of_training(spec))) for name in _MODULES.get(extra, ())]
    unpinned_ = (_UNPINNED_MODULES[package] for package in unpinned(spec).values())
    return (*found, *unpinned_, *(("optimum", "gptqmodel") if quantizing else ()))


def _of_engine(spec: JobSpec) -> tuple[str, ...]:
    match spec.engine:
        case DeepSpeed():
            return ("deepspeed",)
        case Ddp() | Fsdp():
            return ()
        case _:
            assert_never(spec.engine)


def _of_storage(spec: JobSpec) -> tuple[str, ...]:
    """An S3 client other than boto3, which requires an older python-dateutil than the trainer (botocore: <3)."""
    places = (*spec.sources.values(), spec.publish)
    return ("s3",) if any(isinstance(place, S3 | S3Push) for place in places) else ()


def of_arguments(spec: JobSpec) -> tuple[tuple[str, str], ...]:
    """The arguments that require an extra package, each with the extra.

    Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py (`_check_extra_dependencies`), model/model_utils.
    """
    arguments = chosen(spec)
    wanted = {
        ("quantization_bit", "bitsandbytes"): _quantization(arguments) == "bnb",
        ("optim", "bitsandbytes"): bool(_BITSANDBYTES.fullmatch(str(arguments.get("optim")))),
        ("predict_with_generate", "metrics"): arguments.get("predict_with_generate") is True,
    }
    return tuple(pair for pair, is_wanted in wanted.items() if is_wanted)


def unpinned(spec: JobSpec) -> dict[str, str]:
    """Argument to package, for required packages that no file in conf/pins contains."""
    arguments = chosen(spec)
    found = {name: package for name, package in _UNPINNED.items() if arguments.get(name)}
    if _quantization(arguments) in _QUANTIZERS:
        found["quantization_method"] = str(arguments["quantization_method"])
    if arguments.get("optim") in _OPTIMIZERS:
        found["optim"] = _OPTIMIZERS[str(arguments["optim"])]
    return found


def _quantization(arguments: Json) -> object:
    """The method of on-the-fly quantization, or None."""
    return arguments.get("quantization_method", "bnb") if arguments.get("quantization_bit") is not None else None


class Package(NamedTuple):
    """A package of pip and the key that requires it.

    `pinned` says that ftc can build it into an image, `trains` that only the container that trains imports it.
    """

    name: str
    key: KeyPath
    pinned: bool = True
    trains: bool = True


# Switches of LLaMA-Factory in the environment (launcher.py, extras/packages.py); each is also an argument.
_SWITCHES = {"USE_MCA": "mcore-adapter", "USE_KT": "kt-kernel"}
_ON = ("1", "true", "y")


def required(spec: JobSpec) -> Iterator[Package]:
    """The packages in addition to those that each image of LLaMA-Factory has."""
    yield from _for_storage(spec)
    if not spec.trains:
        return
    if isinstance(spec.engine, DeepSpeed):
        yield Package("deepspeed", ("engine",))
    yield from (Package(name, ("tracking", name)) for name in spec.tracking.names)
    yield from (Package(name, set_at(spec, argument)) for argument, name in of_arguments(spec))
    if spec.evaluates:
        yield Package("metrics", ("evaluate",))
    for argument, name in unpinned(spec).items():
        yield Package(name, set_at(spec, argument), pinned=False)
    if spec.method is not None and spec.method.quantize is not None:
        yield from (Package(name, ("method", "quantize"), pinned=False) for name in ("optimum", "gptqmodel"))
    yield from _of_checkpoint(spec)
    yield from _of_environment(spec)


# LLaMA-Factory, model/model_utils/quantization.py: the packages that load weights quantized by these methods.
_LOADERS = {"aqlm": "aqlm", "awq": "autoawq", "bnb": "bitsandbytes", "gptq": "gptqmodel"}


def _of_checkpoint(spec: JobSpec) -> Iterator[Package]:
    """The package that loads a checkpoint whose name says how it was quantized."""
    words = re.split(r"[^a-z0-9]+", spec.model.id.lower()) if spec.model is not None else []
    yield from (Package(_LOADERS[word], ("model", "id"), pinned=False) for word in words if word in _LOADERS)


def _for_storage(spec: JobSpec) -> Iterator[Package]:
    places: dict[KeyPath, object] = {source_path(name): source for name, source in spec.sources.items()}
    for key, place in {**places, ("publish",): spec.publish}.items():
        if isinstance(place, S3 | S3Push):
            yield Package("minio", key, trains=False)


def _of_environment(spec: JobSpec) -> Iterator[Package]:
    pair = release.known(spec.trainer.llamafactory)
    arguments = release.arguments(pair)["train"] if pair is not None else ()
    for owner, variables in (("cluster",), spec.cluster.env), ((), spec.env):
        for name, package in _SWITCHES.items():
            if variables.get(name, "").lower() in _ON and name.lower() in arguments:
                yield Package(package, (*owner, "env", name), pinned=False)
