"""What the cluster changes is said, and only where it changes something."""

from __future__ import annotations

import pytest

from unit.compiling import ftc
from unit.rules.pairs import Pair, pages, passes, refuses

PAIRS = (
    Pair(
        "FTC641",
        "'hardware.pod={metadata: {annotations: {scheduling.k8s.io/group-name: a}}}'",
        "'hardware.pod={metadata: {annotations: {scheduling.k8s.io/other: a}}}'",
        "hardware.pod.metadata.annotations",
    ),
    Pair("FTC641", "pod.metadata.name=train", "name=train", "pod.metadata.name"),
    Pair("FTC641", "pod.metadata.namespace=a", "namespace=a", "pod.metadata.namespace"),
    Pair("FTC642", "ttl_seconds_after_finished=0", "ttl_seconds_after_finished=null", "ttl_seconds_after_finished"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_what_the_cluster_changes_is_told(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_what_it_leaves_is_not(pair: Pair) -> None:
    passes(pair)


def test_a_note_refuses_nothing() -> None:
    said = ftc("compile", "pod.metadata.name=train")
    assert said.exit_code == 0
    assert "note[FTC641 metadata-overwritten-by-volcano]" in said.stderr
