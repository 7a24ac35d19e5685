"""Rules on the names of a job, and of its tasks, pods and hosts."""

from __future__ import annotations

import pytest

from ftc.driver import Request, compile_job
from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair("FTC501", (f"name={'a' * 49}",), (f"name={'a' * 48}",), "name"),
    Pair("FTC501", ("nodes=11", f"name={'a' * 48}"), ("nodes=11", f"name={'a' * 47}"), "name"),
    Pair("FTC508", ("nodes=2", "pod={spec: {hostname: a}}"), ("pod={spec: {hostname: a}}",), "pod.spec.hostname"),
    Pair("FTC508", ("nodes=2", "pod={spec: {subdomain: a}}"), ("nodes=2",), "pod.spec.subdomain"),
    Pair("FTC571", ("nodes=2", f"name={'a' * 53}"), ("nodes=2", f"name={'a' * 52}"), "name"),
    Pair("FTC571", ("nodes=11", f"name={'a' * 52}"), ("nodes=10", f"name={'a' * 52}"), "name"),
    Pair("FTC571", (f"name={'a' * 58}",), (f"name={'a' * 57}",), "name"),
    Pair("FTC571", ("naming=fixed", "nodes=2", f"name={'a' * 62}"), ("naming=fixed", f"name={'a' * 63}"), "name"),
    # 63 characters for <name>-<5>-node-0-<index>-<5>; a fixed name has no <5>
    Pair("FTC591", f"name={'a' * 43}", f"name={'a' * 42}", "name"),
    Pair("FTC591", f"name={'a' * 49} naming=fixed", f"name={'a' * 48} naming=fixed", "name"),
    Pair("FTC591", f"name={'a' * 42} nodes=11", f"name={'a' * 41} nodes=11", "name"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)


# 63 characters for <name>-<8>-<5>-worker-1, <name>-<8>-<8>-1 and <name>-<8>-<5>-node-0-1-<5>
@pytest.mark.parametrize(("target", "longest"), [("volcano", 39), ("job", 43), ("jobset", 33)])
def test_the_limit_is_that_of_the_name_as_the_user_writes_it_also_in_a_matrix(target: str, longest: int) -> None:
    found = {}
    for length in (longest, longest + 1):
        overrides = ("hardware=nvidia", f"name={'a' * length}", "nodes=2")
        state = compile_job(Request(overrides, targets=(target,), varied=("nodes=2",)))
        found[length] = [one for one in state.diagnostics if one.path == ("name",)]
    assert not found[longest]
    [told] = found[longest + 1]
    assert told.help == f"use at most {longest} characters: name=…"
    assert told.message.startswith(f"'{'a' * (longest + 1)}' has {longest + 1} characters, and the ")
    assert "the digest of its place in the matrix" in told.message
