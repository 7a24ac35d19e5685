"""The YAML that LLaMA-Factory reads in the pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.files import OF_THE_TRAINER

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan


def emit(run: RunPlan) -> str:
    """The documents of train.yaml and, if there are any, merge.yaml, quantize.yaml and evaluate.yaml."""
    return "---\n".join(f.text for f in run.files if f.name in OF_THE_TRAINER)
