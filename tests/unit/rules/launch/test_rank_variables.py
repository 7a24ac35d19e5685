"""Variables that bash reads at startup are refused wherever users can set them, because they change scripts."""

from __future__ import annotations

import os
import subprocess

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, passes, refuses

# The effect of each variable on a program: its name, its value, and the output instead of `a b`.
SEEN = {
    "SHELLOPTS": "xtrace",
    "BASH_ENV": "/dev/fd/0",
    "BASH_FUNC_printf%%": "() { echo changed; }",
    "CDPATH": "/",
    "SECONDS": "100",
}
MORE = ("BASHOPTS", "ENV", "PS4", "IFS", "PROMPT_COMMAND", "GLOBIGNORE", "POSIXLY_CORRECT")
PROGRAM = 'cd -- etc; printf "%s\\n" "a b"; ((SECONDS < 50)) || echo late'


def said(**environment: str) -> str:
    """The output of the program on both streams."""
    variables = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(
        ["bash", "-c", PROGRAM], env=variables, cwd="/", input="echo first", capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", SEEN)
def test_the_variable_changes_the_behaviour_of_bash(name: str) -> None:
    assert said() == "a b\n"
    assert said(**{name: SEEN[name]}) != "a b\n"


@pytest.mark.parametrize("name", [*(name for name in SEEN if "%" not in name), *MORE])
@pytest.mark.parametrize("place", ["env", "cluster.env", "hardware.env", "network.env"])
def test_it_is_refused_in_every_env(name: str, place: str) -> None:
    reported = [(each.code, ".".join(map(str, each.path))) for each in found(f"+{place}.{name}=x")]
    assert ("FTC106", f"{place}.{name}") in reported


@pytest.mark.parametrize("name", [*SEEN, *MORE])
@pytest.mark.parametrize("container", ["train", "publish", "fetch-model"])
def test_it_is_refused_in_a_fragment_for_a_container_of_ftc(name: str, container: str) -> None:
    field = "initContainers" if container.startswith("fetch") else "containers"
    pod = f"pod={{spec: {{{field}: [{{name: {container}, env: [{{name: '{name}', value: x}}]}}]}}}}"
    git = ("publish=git", "publish.url=https://git.example.com/o")
    assert "FTC511" in {each.code for each in found(*git, pod)}


def test_other_variables_and_other_containers_are_not_reported() -> None:
    own = "pod={spec: {initContainers: [{name: own, image: 'a:1', env: [{name: BASH_ENV, value: x}]}]}}"
    reported = {each.code for each in found("env.LD_PRELOAD=/lib/libtcmalloc.so", own)}
    assert not reported & {"FTC001", "FTC106", "FTC511"}


PAIRS = (
    Pair("FTC106", ("env.NNODES=4",), ("env.NCCL_DEBUG=INFO",), "env.NNODES"),
    Pair("FTC106", ("hardware.env={MASTER_ADDR: x}",), ("hardware.env={A: x}",), "hardware.env.MASTER_ADDR"),
    Pair("FTC106", ("cluster.env={GIT_TOKEN: x}",), ("cluster.env={HTTPS_PROXY: x}",), "cluster.env.GIT_TOKEN"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
