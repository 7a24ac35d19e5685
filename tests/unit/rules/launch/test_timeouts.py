"""Timeouts are longer than the work that they limit."""

from __future__ import annotations

import pytest

from ftc.rules.launch import timeouts as timing
from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses

MODEL = "source@model.source=path model.source.path=/workspace/m"
ON_VOLUME = f"{MODEL} source@dataset.source=path dataset.source.path=/workspace/d"
OWN_CACHE = "'storage.cache={kind: per-pod, mount_path: /cache, size: 50Gi}'"
SLOWER, IN_TIME = "cluster.fetch_timeout_seconds=3601", "cluster.fetch_timeout_seconds=3600"
PAIRS = (
    Pair(
        "FTC621",
        "pod.spec.activeDeadlineSeconds=7200",
        "pod.spec.activeDeadlineSeconds=7200 cluster.fetch_timeout_seconds=600",
        "pod.spec.activeDeadlineSeconds",
    ),
    Pair(
        "FTC621",
        "pod.spec.activeDeadlineSeconds=600",
        f"pod.spec.activeDeadlineSeconds=600 {ON_VOLUME}",
        "pod.spec.activeDeadlineSeconds",
    ),
    Pair("FTC622", f"nodes=2 {OWN_CACHE}", OWN_CACHE, "storage.cache"),
    Pair("FTC622", f"nodes=2 {OWN_CACHE}", f"nodes=2 {OWN_CACHE} {ON_VOLUME}", "storage.cache"),
    # Two downloads; the nodes wait two hours.
    Pair("FTC622", f"nodes=2 {OWN_CACHE} {SLOWER}", f"nodes=2 {OWN_CACHE} {IN_TIME}", "storage.cache"),
    Pair("FTC623", "devices=2 train.ddp_timeout=60", "train.ddp_timeout=60", "train.ddp_timeout"),
    Pair("FTC623", "devices=2 train.ddp_timeout=599", "devices=2 train.ddp_timeout=600", "train.ddp_timeout"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_short_timeout_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_long_timeout_passes(pair: Pair) -> None:
    passes(pair)


def test_the_timeouts_of_the_examples_pass() -> None:
    told = found("nodes=2", "train.ddp_timeout=180000000")
    assert {d.code for d in told} & {rule.code for rule in timing.RULES} == set()
