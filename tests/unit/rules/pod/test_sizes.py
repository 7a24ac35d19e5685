"""Strings that Linux does not pass to a program, and objects that etcd does not store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftc.driver import Request, compile_job
from unit.rules.pairs import Pair, passes, refuses

if TYPE_CHECKING:
    from pathlib import Path

# execve(2): one string of at most 32 pages of 4 KiB, with the final NUL.
LONGEST = 131_071
LONG = "a" * 70_000
# etcd stores at most 1.5 MiB: 12.6 of these.
PAIRS = (
    Pair("FTC513", f"env.A={LONG} 'env.B=\"$(A)$(A)\"'", f"env.A={LONG} 'env.B=\"$(A)\"'", "env.B"),
    Pair(
        "FTC514",
        " ".join(f"env.X{index}={'a' * 125_000}" for index in range(13)),
        " ".join(f"env.X{index}={'a' * 125_000}" for index in range(11)),
        "env",
    ),
)
TRAIN = "pod: {spec: {containers: [{name: train, env: [{name: Y, value: %s}]}]}}"
HELPER = "pod: {spec: {initContainers: [{name: x, image: 'a:1', args: [%s]}]}}"
COMMAND = "launcher: {command: [python, %s]}"


def refused(tmp_path: Path, text: str, group: str = "") -> list[tuple[str, str]]:
    """The codes and keys of the findings on size."""
    (tmp_path / "run.yaml").write_text(f"defaults: [config, {group}_self_]\n{text}\n")
    found = compile_job(Request((), (tmp_path,), "run", ("volcano",))).diagnostics
    return [(one.code, ".".join(map(str, one.path))) for one in found if one.code in ("FTC513", "FTC514")]


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("env: {XY: %s}", "XY=", "env.XY"),
        ("cluster: {env: {XY: %s}}", "XY=", "cluster.env.XY"),
        (TRAIN, "Y=", "pod.spec.containers.0.env.0"),
        (HELPER, "", "pod.spec.initContainers.0.args.0"),
        ("setup: [[echo, %s]]", "", "setup.0.1"),
        (COMMAND, "", "launcher.command.1"),
    ],
)
def test_a_string_that_linux_does_not_accept_is_refused(tmp_path: Path, text: str, name: str, key: str) -> None:
    group = "{override launcher: command}, " if text == COMMAND else ""
    longest = "a" * (LONGEST - len(name))
    assert refused(tmp_path, text % longest, group) == []
    assert refused(tmp_path, text % f"{longest}a", group) == [("FTC513", key)]
    assert refused(tmp_path, text % f"{longest[3:]}é€", group) == [("FTC513", key)]


def test_a_variable_is_measured_as_kubernetes_expands_it(tmp_path: Path) -> None:
    assert refused(tmp_path, f"env: {{A: {'a' * 70_000}, B: $(A)$(A)}}") == [("FTC513", "env.B")]
    assert refused(tmp_path, f"env: {{A: {'a' * 70_000}, B: $(A)b}}") == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.code)
def test_it_is_reported_at_its_key(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.code)
def test_a_smaller_one_passes(pair: Pair) -> None:
    passes(pair)
