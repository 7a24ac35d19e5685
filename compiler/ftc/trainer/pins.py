"""What an image needs besides the hardware's PyTorch, as pip's pins: files of conf/pins, made by `make pins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.resources import directory
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.tracking import Mlflow, NoTracker, TensorBoard
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec, Trainer


def pairs() -> tuple[str, ...]:
    """The pairs that there are pins for: `<llamafactory>+<transformers>`."""
    return tuple(sorted(pair.name for pair in (directory("conf") / "pins").iterdir()))


def pair(trainer: Trainer) -> str:
    """The name of a pair, whether there are pins for it or not."""
    return f"{trainer.llamafactory}+{trainer.transformers}"


def pins(spec: JobSpec) -> tuple[str, ...]:
    """All that the trainer needs for this run, complete: nothing is left to pip's choice."""
    files = (directory("conf") / "pins" / pair(spec.trainer) / f"{name}.txt" for name in ("trainer", *extras(spec)))
    lines = (line for file in files for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(sorted({line for line in lines if not line.startswith("#")}))


def extras(spec: JobSpec) -> tuple[str, ...]:
    """What engine, tracking and arguments ask for on top of the pair; LLaMA-Factory stops without them."""
    found = (*_of_engine(spec), *_of_tracking(spec), *_of_arguments(spec))
    return tuple(sorted(found))


def _of_engine(spec: JobSpec) -> tuple[str, ...]:
    match spec.engine:
        case DeepSpeed():
            return ("deepspeed",)
        case Ddp() | Fsdp():
            return ()
        case _:
            assert_never(spec.engine)


def _of_tracking(spec: JobSpec) -> tuple[str, ...]:
    match spec.tracking:
        case Mlflow():
            return ("mlflow",)
        case TensorBoard():
            return ("tensorboard",)
        case NoTracker():
            return ()
        case _:
            assert_never(spec.tracking)


def _of_arguments(spec: JobSpec) -> tuple[str, ...]:
    """Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py (`_check_extra_dependencies`), model/model_utils."""
    arguments = chosen(spec)
    quantized = arguments.get("quantization_bit") is not None and arguments.get("quantization_method", "bnb") == "bnb"
    wanted = {"bitsandbytes": quantized, "metrics": arguments.get("predict_with_generate") is True}
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)
