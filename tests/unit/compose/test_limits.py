"""The expanded size of a short input is computed before anything is expanded; too large a size is refused."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftc.compose.sweep import points
from ftc.conf_tree import search_path
from ftc.driver import Request, compile_job
from unit.compiling import compiled, conf, ftc, refused

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 800_000_000
SECONDS = 10  # of the processor: a busy machine is not a hang


def chain(first: str, link: str, links: int) -> str:
    rows = [f"  K0: {first}", *(f"  K{i}: {link.replace('@', f'${{env.K{i - 1}}}')}" for i in range(1, links))]
    return "\n".join(["defaults: [config, _self_]", "env:", *rows, ""])


BOMBS = {
    "texts": chain("x", "@@", 60),
    "a string in strings": chain("x", "a @ b @ c", 60),
    "lists": chain("[x]", "['@', '@']", 60),
    "mappings": chain("{a: x}", "{a: '@', b: '@'}", 60),
    "short and wide": chain("x" * 1000, "@" * 60, 5),
    "many of one long string": chain("x" * 100_000, "y", 2) + "".join(f"  L{i}: ${{env.K0}}\n" for i in range(3_000)),
    "a chain": chain("x", "@", 2_000),
    "a cycle of two": "defaults: [config, _self_]\nenv: {A: '${env.B}${env.B}', B: '${env.A}${env.A}'}\n",
    "a string of itself": "defaults: [config, _self_]\nname: '" + "${name}" * 3_000 + "'\n",
    "nested": "defaults: [config, _self_]\nenv:\n  N: env.K0\n"
    + chain("x", "${${env.N}}${${env.N}}", 60).partition("env:\n")[2],
}


def limit() -> None:
    """Bound the memory and the time of a process that is about to start."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def limited(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ftc.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("first", ["", "ignore: null\n"], ids=["plain", "by Hydra"])
def test_references_that_double_are_refused_before_they_are_replaced(tmp_path: Path, name: str, first: str) -> None:
    directory = conf(tmp_path, {"run": first + BOMBS[name]})
    done = limited("compile", "--config-dir", directory, "-c", "run")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "Traceback" not in done.stderr
    if "cycle" not in name and "itself" not in name and name != "nested":
        assert "[FTC016 " in done.stderr


def test_the_finding_names_the_key_and_the_limit(tmp_path: Path) -> None:
    said = refused("--config-dir", conf(tmp_path, {"run": BOMBS["texts"]}), "-c", "run")
    (line,) = [line for line in said.splitlines() if "FTC016" in line]
    assert (
        line.endswith("expands to more than 1000000 characters (each value counts as ten)")
        or "a chain of more than 16" in line
    )
    assert "error[FTC016 expansion-too-large]: env.K" in line


@pytest.mark.parametrize("links", [2, 8, 12])
def test_references_within_the_limits_are_replaced(tmp_path: Path, links: int) -> None:
    conf(tmp_path, {"run": chain("x", "@@", links)})
    state = compile_job(Request((), (tmp_path,), "run"))
    assert state.spec is not None
    assert state.spec.env[f"K{links - 1}"] == "x" * 2 ** (links - 1)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nodes=" + "9" * 5_000, "has a number of 5000 digits; the limit is 100"),
        ("nodes=[1," + "9" * 101 + "]", "has a number of 101 digits; the limit is 100"),
        ("launcher.args=" + "[" * 65 + "]" * 65, "is nested deeper than 64 levels"),
        ("launcher.args=" + "[" * 1_900, "is nested deeper than 64 levels"),
        ("launcher.args=" + "int(" * 300 + "1" + ")" * 300, "is nested deeper than 64 levels"),
        ("launcher.args=[" + "1," * 20_000 + "1]", "outside of quotes; the limit is 2000"),
        ("name='" + "a" * 131_072 + "'", "characters; the limit is 131072"),
    ],
)
def test_an_override_that_would_crash_the_parser_is_refused(override: str, said: str) -> None:
    began = time.process_time()
    assert said in refused(override)
    _, problems = points([override], search_path(()))
    assert [one.code for one in problems] == ["FTC016"]
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("value", ["[" * 65, "9" * 5_000, "${" * 30])
def test_quoted_brackets_and_digits_are_plain_characters(value: str) -> None:
    text = value.replace("${", "\\${")
    assert compiled(f"env.A='{text}'").spec.env["A"] == value  # type: ignore[union-attr] # compiled


@pytest.mark.parametrize("value", ["a" + "0" * 200, "0" * 200 + "a"])
def test_digits_in_a_word_are_not_a_number(value: str) -> None:
    assert compiled(f"env.A={value}").spec.env["A"] == value  # type: ignore[union-attr] # compiled


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["nodes=range(1,300000000)"], "gives 299999999 values; the limit is 10000"),
        (["nodes=range(0,1,1e-300)"], "values; the limit is 10000"),
        (["nodes=range(1,1e308,1e-300)"], "is a range without an end"),
        (["nodes=range(1,inf)"], "is a range without an end"),
        (["nodes=range(1,10,0)"], "is a range without an end"),
        (["nodes=range(nan,1)"], "is a range without an end"),
        (["nodes=range(1,102)", "devices=range(1,101)"], "gives 10100 combinations; the limit is 10000"),
        ([f"env.A{i}=1,2" for i in range(40)], f"gives {2**40} combinations; the limit is 10000"),
    ],
)
def test_an_endless_matrix_is_refused_before_it_is_expanded(overrides: list[str], said: str) -> None:
    began = time.process_time()
    found, problems = points(overrides, search_path(()))
    assert found == ()
    assert [(one.code, said in one.message) for one in problems] == [("FTC016", True)]
    assert time.process_time() - began < SECONDS


def test_a_matrix_at_the_limit_is_expanded() -> None:
    found, problems = points(["nodes=range(1,101)", "devices=range(1,101)"], search_path(()))
    assert (len(found), problems) == (10_000, ())


FUNCTIONS = (
    "int(1.5)",
    "float(3)",
    "str(1.10)",
    "bool(1)",
    "json_str({a:1})",
    "sort(3,2,1)",
    "sort([10,9])",
    "sort(1)",
)
OTHERS = (
    "extend_list(1)",
    "range(1,3)",
    "interval(0,1)",
    "choice(1,2)",
    "glob(*)",
    "tag(a,choice(1,2))",
    "int({a:1.5})",
)
WRONG = (
    "shuffle(1,2)",
    "int(x)",
    "float(nan)",
    "int(1e400)",
    "int(1e308)",
    "foo(1)",
    "int()",
    "sort(a,1)",
    "[int(3.5)]",
)


@pytest.mark.parametrize("key", ["name", "nodes", "launcher.args", "env", "+hardware"])
@pytest.mark.parametrize("value", [*FUNCTIONS, *OTHERS, *WRONG])
def test_a_function_as_a_value_is_evaluated_or_refused(key: str, value: str) -> None:
    said = ftc("compile", f"{key}={value}")
    assert said.exit_code in (0, 1)


@pytest.mark.parametrize("override", ["train.a=sort([10,9])", "train={a: sort([10,9])}"])
def test_a_function_returns_values_not_strings(override: str) -> None:
    composed = compile_job(Request((override,))).composed
    assert composed is not None
    assert composed.data["train"]["a"] == [9, 10]


@pytest.mark.parametrize("override", ["a" * 300 + "=1", "a" * 300 + "/b=c", "~" + "a" * 300, "hardware=" + "a" * 300])
def test_a_name_that_is_too_long_for_a_file_system_is_refused(override: str) -> None:
    assert "error[FTC0" in refused(override)
