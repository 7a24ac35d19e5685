"""Thousands of random changes of conf files and composed values: each compiles or is refused."""

from __future__ import annotations

import json
import random
import time
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftc.diagnostics.model import has_errors
from ftc.diagnostics.render_text import render
from ftc.driver import PASSES, Request, State, compile_job
from fuzz.mutators import mutate, mutated_text
from unit.compiling import COMMAND, ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONF = ROOT / "conf"
FILES = sorted(CONF.glob("*/*.yaml"))  # without conf/pins, which options read themselves
NEEDS = {"launcher/command": COMMAND[1:], "publish/git": ("publish.url=https://a.example/b",)}
SECONDS = 5  # CPU time: a busy machine is not a hang
ANY = settings(suppress_health_check=list(HealthCheck), database=None)
SEEDS = st.integers(min_value=0, max_value=2**32)


def told(state: State) -> str:
    """The output for the user, which must name a code and escape what a terminal would interpret."""
    text = render(state.diagnostics)
    assert not has_errors(state.diagnostics) or "error[FTC" in text
    assert "\x1b" not in text
    assert "\0" not in text
    return text


def some_or(many: int) -> pytest.MarkDecorator:
    """A tenth of the examples in `make check`, all in `make test-all`."""
    return pytest.mark.parametrize("examples", [many // 10, pytest.param(many, marks=pytest.mark.slow)])


@some_or(1000)
def test_a_changed_conf_file_compiles_or_is_refused(tmp_path: Path, examples: int) -> None:
    @settings(ANY, max_examples=examples)
    @given(SEEDS)
    def check(seed: int) -> None:
        changed_file(tmp_path, seed)

    check()


def changed_file(directory: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    file = rng.choice(FILES)
    group, option = file.parent.name, file.stem
    place = directory / group / f"{option}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(mutated_text(file.read_text(encoding="utf-8"), rng))
    word = f"source@model.source={option}" if group == "source" else f"{group}={option}"
    began = time.process_time()
    try:
        request = Request((word, *NEEDS.get(f"{group}/{option}", ())), config_dirs=(directory,), targets=("volcano",))
        told(compile_job(request))
    finally:
        place.unlink()
    assert time.process_time() - began < SECONDS


BASES = (
    (),
    ("launcher=accelerate", "nodes=2", "devices=2", "engine=fsdp2", "tracking=tensorboard"),
    ("launcher=torchrun", "engine=deepspeed-z3", "hardware=ascend-910b-mindcluster", "devices=8", "naming=fixed"),
    (*COMMAND, "storage=per-pod", "hardware=cpu"),
    ("storage=job-lifetime", "hardware=alauda-vgpu", "source@model.source=git", "model.source.url=https://a.example/b"),
    (
        "publish=git",
        "publish.url=https://a.example/c",
        "tracking=mlflow",
        "tracking.mlflow.uri=http://m",
        "method=full-sft",
    ),
)


@cache
def composed(base: tuple[str, ...]) -> State:
    """A base after composition."""
    state = PASSES[0](State(Request(base, targets=("volcano", "job"))))
    assert not has_errors(state.diagnostics)
    return state


@some_or(5000)
@pytest.mark.parametrize("changes", [1, 3])
def test_changed_values_compile_or_are_refused(changes: int, examples: int) -> None:
    @settings(ANY, max_examples=examples)
    @given(SEEDS)
    def check(seed: int) -> None:
        passed(seed, changes)

    check()


def passed(seed: int, changes: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    state = composed(rng.choice(BASES))
    assert state.composed is not None
    data = json.loads(json.dumps(state.composed.data))
    for _ in range(changes):
        data = mutate(data, rng)
    if not isinstance(data, dict):
        data = {"nodes": data}
    began = time.process_time()
    state = msgspec.structs.replace(state, composed=msgspec.structs.replace(state.composed, data=data))
    for step in PASSES[1:]:
        if has_errors(state.diagnostics):
            break
        state = step(state)
    told(state)
    assert time.process_time() - began < SECONDS


def test_all_files_of_conf_are_changed() -> None:
    assert len(FILES) > 80
    assert {file.parent.name for file in FILES} == {path.name for path in CONF.iterdir() if path.is_dir()} - {"pins"}
