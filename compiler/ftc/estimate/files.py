"""Bytes of weights that a run downloads and writes, if the model's sizes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.estimate.engines import HALF
from ftc.spec.source import OnVolume

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def fetched(spec: JobSpec) -> int:
    """The bytes of downloaded weights at 16 bits; 0 if unknown."""
    model = spec.model
    if model is None or model.architecture is None or isinstance(model.source, OnVolume):
        return 0
    return HALF * model.architecture.parameters


def written(spec: JobSpec) -> int:
    """The bytes of trained weights, the merged copy and the quantized copy; an adapter is negligible."""
    method = spec.method
    if not spec.trains or method is None or spec.model is None or spec.model.architecture is None:
        return 0
    count = spec.model.architecture.parameters
    whole = (method.finetuning_type in ("full", "freeze")) + (method.merge is not None)
    return HALF * count * whole + (count * method.quantize.bits // 8 if method.quantize is not None else 0)
