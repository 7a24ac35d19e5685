"""Small inputs that expand to large ones: lint needs little memory and time for them."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftc.rules.pod.variables import MAX_STRING
from unit.lint.test_lint import judged

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 800_000_000
SECONDS = 10  # of the processor: a busy machine is not a hang


def pod(script: str) -> str:
    indented = "\n".join(f"      {line}" for line in script.splitlines())
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  containers:
  - name: a
    image: b
    command:
    - bash
    - -c
    - |
{indented}
"""


def with_variables(*values: str) -> str:
    rows = "\n".join(f'    - {{name: A{i}, value: "{value}"}}' for i, value in enumerate(values))
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  containers:
  - name: a
    image: b
    command: [echo, "$(A{len(values) - 1})"]
    env:
{rows}
"""


def aliases(levels: int) -> str:
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(
        ["apiVersion: v1", "kind: Pod", "metadata: {name: a}", "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8]", *rows, ""]
    )


WORDS = "A='" + "x " * 14_000 + "'\n"
BOMBS = {
    "variables that double": with_variables("x", *(f"$(A{i})$(A{i})" for i in range(250))),
    "many copies of a long variable": with_variables("x" * 60_000, *(["$(A0)"] * 250)),
    "assignments that double": pod(
        "\n".join(["A0=xxxxxxxx", *(f"A{i}=$A{i - 1}$A{i - 1}" for i in range(1, 60)), "torchrun --nnodes=$A59 a.py"])
    ),
    "a word of a thousand variables": pod("A=" + "x" * 50_000 + "\ntorchrun --nnodes=" + "$A" * 900 + " a.py"),
    "a thousand words of a thousand words": pod(f"{WORDS}torchrun {'$A ' * 1900}"),
    "a thousand commands of a thousand words": pod(WORDS + "torchrun $A\n" * 500),
    "aliases": aliases(9),
    "aliases in many documents": "---\n".join([aliases(5)] * 400),
    "brackets": "a: " + "[" * 100_000,
    "indentation": "".join(f"{' ' * depth}a:\n" for depth in range(2_000)),
    "a long line": "a: " + "x" * 15_000_000,
}


def limit() -> None:
    """Bound the memory and the time of a process that is about to start."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_input_takes_little_memory_and_time(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(BOMBS[name])
    done = subprocess.run(
        [sys.executable, "-m", "ftc.cli.main", "lint", str(file)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert done.returncode in (0, 1), done.stderr
    assert re.fullmatch(r"ftc: (no findings|[\d, a-z]+) in 1 file\n", done.stderr)


def test_each_string_over_the_kernel_limit_is_reported() -> None:
    doubled = with_variables("x", *(f"$(A{i})$(A{i})" for i in range(30)))
    found = [d.path[-2:] for d in judged(doubled) if d.code == "FTC017"]
    assert found == [*((i, "value") for i in range(17, 31)), ("command", 1)], "2**17 is 131072"


@pytest.mark.parametrize(("length", "is_found"), [(MAX_STRING - len("A0=\0"), False), (MAX_STRING - len("A0="), True)])
def test_the_limit_is_that_of_the_kernel(length: int, is_found: bool) -> None:  # noqa: FBT001 - a table
    text = with_variables("x" * length).replace('"$(A0)"', "a")
    assert any(d.code == "FTC017" for d in judged(text)) is is_found


def test_a_variable_within_the_limits_is_expanded() -> None:
    text = with_variables("1", "$(A0)$(A0)").replace('[echo, "$(A1)"]', "[torchrun, --nproc_per_node=$(A1), a.py]")
    text += "    resources: {limits: {nvidia.com/gpu: 8}}\n"
    assert any("11" in d.message for d in judged(text))
