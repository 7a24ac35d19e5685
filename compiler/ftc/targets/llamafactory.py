"""The YAML that LLaMA-Factory reads, as it stands in the pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.files import MERGE, TRAIN

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan


def emit(run: RunPlan) -> str:
    """train.yaml, and merge.yaml as a second document."""
    return "---\n".join(f.text for f in run.files if f.name in (TRAIN, MERGE))
