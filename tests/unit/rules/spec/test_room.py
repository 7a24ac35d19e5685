"""Volumes that a run creates are large enough for weights and results."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, found
from unit.rules.pairs import Pair, pages, passes, refuses

SIZE = "storage.workspace.size"
# 32.8 billion parameters of 2 bytes are 61.0 GiB, and 8.2 billion 15.3 GiB.
LARGE = "model=qwen3-32b hardware=h800"
OWN = "storage=per-pod storage.workspace.size=60Gi"
DIRECT = "source@model.source=huggingface-direct model.source.repository=Qwen/Qwen3-32B"
PLACED = ("source@model.source=path", "model.source.path=/opt/model")
CACHE = "'storage.cache={kind: per-pod, mount_path: /cache, size: 60Gi}'"
JOB = "model=qwen3-8b hardware=h800 storage=job-lifetime"
GPTQ = "'method.quantize={bits: 4, dataset: /data/c4.json}'"
PAIRS = (
    Pair("FTC226", f"{LARGE} {OWN}", f"{LARGE} storage=per-pod {SIZE}=62Gi", SIZE),
    Pair("FTC226", f"{LARGE} {OWN} {DIRECT}", f"{LARGE} {DIRECT} storage=per-pod", SIZE),
    Pair("FTC226", f"{LARGE} {CACHE}", f"{LARGE} {CACHE.replace('60Gi', '62Gi')}", "storage.cache.size"),
    Pair("FTC226", f"{LARGE} storage=per-pod-claim {SIZE}=60Gi", f"{LARGE} storage=shared", SIZE),
    Pair("FTC227", f"{LARGE} storage=per-pod", f"{LARGE} storage=per-pod {SIZE}=123Gi", SIZE),
    Pair("FTC227", f"{LARGE} storage=per-pod", f"{LARGE} storage=per-pod method.merge=null", SIZE),
    Pair("FTC227", f"{JOB} {SIZE}=15Gi", f"{JOB} {SIZE}=16Gi", SIZE),
    Pair("FTC227", f"{JOB} {SIZE}=15Gi method=full-sft", f"{JOB} {SIZE}=16Gi method=full-sft", SIZE),
    Pair("FTC227", f"{JOB} {SIZE}=18Gi {GPTQ}", f"{JOB} {SIZE}=20Gi {GPTQ}", SIZE),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_small_volume_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_large_volume_passes(pair: Pair) -> None:
    passes(pair)


def test_the_suggested_size_suffices() -> None:
    overrides = (*LARGE.split(), *OWN.split())
    (diagnostic,) = [d for d in found(*overrides) if d.code in ("FTC226", "FTC227")]
    enough = diagnostic.help.removeprefix("set ").removesuffix(" or more")
    assert not {"FTC226", "FTC227"} & {d.code for d in found(*overrides, enough)}


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=custom", "model.id=a/b", "model.template=qwen3", *OWN.split()),
        (*COMMAND, "model=none", "dataset=none", "method=none", *OWN.split()),
        (
            "model=qwen3-32b",
            *OWN.split(),
            "source@model.source=path",
            "model.source.path=/opt/model",
            "method.merge=null",
        ),
    ],
)
def test_unknown_or_local_weights_are_not_counted(overrides: tuple[str, ...]) -> None:
    assert not {"FTC226", "FTC227"} & {d.code for d in found(*overrides)}
