"""Rules on experiment trackers."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

PAIRS = (
    Pair("FTC471", "tracking=wandb", "tracking=wandb tracking.wandb.mode=offline", "tracking.wandb"),
    Pair(
        "FTC471",
        "tracking=wandb",
        "tracking=wandb 'pod.spec.containers=[{name: train, env: [{name: WANDB_API_KEY, value: a}]}]'",
        "tracking.wandb",
    ),
    Pair("FTC471", "tracking=swanlab", "tracking=swanlab tracking.swanlab.token.secret=s", "tracking.swanlab"),
    Pair("FTC471", "tracking=swanlab", "tracking=swanlab tracking.swanlab.mode=local", "tracking.swanlab"),
)
ALL = (*PAIRS, *pages(PAIRS))


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_tracker_without_a_key_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_tracker_with_a_key_or_offline_passes(pair: Pair) -> None:
    passes(pair)
