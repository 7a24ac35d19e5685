"""A sample of the fuzzed inputs, and tests of the harness itself with broken commands."""

from __future__ import annotations

import os
import signal
import sys
import time

import click
import pytest

from fuzz import run
from fuzz.kinds import KINDS, Input, make

SEED = 0
SAMPLE = 10


# Variables that double each other are not limited yet.


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_each_kind(kind: str) -> None:
    inputs = [make(kind, index, SEED) for index in range(SAMPLE)]
    assert {f"{kind}:{one.number}": one.what for one in run.in_process(inputs)} == {}


def test_one_input_of_each_kind_through_the_command_line() -> None:
    assert {kind: what for kind in KINDS if (what := run.as_process(make(kind, 0, SEED)))} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_is_the_same_in_every_run(kind: str) -> None:
    assert [make(kind, index, 3) for index in range(5)] == [make(kind, index, 3) for index in range(5)]
    assert len({str(make(kind, index, 3)) for index in range(40)}) > 20


@click.command()
@click.argument("how")
def broken(how: str) -> None:
    """Fail in a given way."""
    match how:
        case "raise":
            raise KeyError(how)
        case "exit":
            sys.exit(70)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "eat":
            bytearray(2**30)
        case "hang":
            while time.time():
                pass
        case "control":
            click.echo("\u202e", err=True)
        case "command":
            click.echo("  ::add-mask::x", err=True)
        case _:
            sys.exit(1)


def test_a_failure_is_attributed_to_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "cli", broken)
    monkeypatch.setattr(run, "SECONDS", 1)
    ways = ("fine", "raise", "fine", "die", "die", "exit", "eat", "hang", "control", "command", "fine")
    found = {one.number: one.what for one in run.in_process([Input((way,)) for way in ways])}
    assert sorted(found) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert "KeyError" in found[1]
    assert "signal 9" in found[3]
    assert "exit code 70" in found[5]
    assert "MemoryError" in found[6]
    assert "signal 24" in found[7]
    assert "not escaped" in found[8]
    assert "a command" in found[9]


def test_a_process_is_judged_by_its_own_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.as_process(Input(("list",))) == ""
    monkeypatch.setattr(run, "MEBIBYTES", 1)
    assert run.as_process(Input(("list",))).endswith(" MiB")
    monkeypatch.setattr(run, "MEBIBYTES", 512)
    assert run.as_process(Input(("list",))) == ""


def test_an_input_is_shrunk() -> None:
    def fails(one: Input) -> bool:
        return "b" in one.argv and b"3\n" in one.files["f"]

    big = Input(("a", "b", "c"), {"f": b"1\n2\n3\n4\n5\n"})
    assert run.shrunk(big, fails) == Input(("a", "b"), {"f": b"3\n"})
