"""Settings that the cluster overwrites are reported."""

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
def test_an_overwritten_setting_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_setting_that_is_kept_passes(pair: Pair) -> None:
    passes(pair)


def test_a_note_does_not_fail_the_compile() -> None:
    said = ftc("compile", "pod.metadata.name=train")
    assert said.exit_code == 0
    assert "note[FTC641 metadata-overwritten-by-volcano]" in said.stderr
