"""The job that fills the cache needs a cache that stays, and something to download."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

PAIRS = (
    Pair("FTC565", "storage=per-pod", "storage=nfs storage.workspace.server=nfs.example.com", "storage.workspace"),
    Pair("FTC565", "storage=in-memory", "storage=existing-claim", "storage.workspace"),
    Pair("FTC565", "storage=node-cache", "storage=cephfs", "storage.cache"),
    Pair(
        "FTC567",
        "source@model.source=path model.source.path=/workspace/m source@dataset.source=huggingface-direct",
        "source@model.source=path model.source.path=/workspace/m",
        "model",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_run_that_cannot_be_prefetched_is_refused(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_run_that_can_be_prefetched_passes(pair: Pair) -> None:
    passes(pair)
