"""How a training reads its datasets, as the arguments of scripts/check_dataset.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

# LLaMA-Factory 0.9.3 to 0.9.5, hparams/data_args.py, and train/dpo/workflow.py, which reads the rows of stage rm.
_CUTOFF = 2048
_READS = {"dpo": "rm"}


def check_arguments(spec: JobSpec) -> tuple[str, ...]:
    """The words after the directory; none for a value that is not a number."""
    if spec.method is None:
        return ()
    arguments, stage = chosen(spec), spec.method.stage
    cutoff = _whole(arguments, "cutoff_len") or _CUTOFF
    words = {
        "--stage": _READS.get(stage, stage),
        "--workers": str(_whole(arguments, "preprocessing_num_workers") or 1),
        "--cutoff": str(cutoff),
        "--block": str(cutoff if stage == "pt" and arguments.get("packing") is not False else 0),
    }
    most = _whole(arguments, "max_samples")
    if most:
        words["--most-rows"] = str(most)
    if spec.model is not None and spec.model.architecture is not None:
        words["--modalities"] = ",".join(spec.model.architecture.modalities)
    return tuple(word for pair in words.items() for word in pair)


def _whole(arguments: Json, name: str) -> int | None:
    value = arguments.get(name)
    return value if type(value) is int and value > 0 else None
