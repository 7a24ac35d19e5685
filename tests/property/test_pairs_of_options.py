"""Every pair of options of different groups compiles and is verified, or is refused with a code."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from allpairspy import AllPairs  # type: ignore[import-untyped] # untyped

from ftc.diagnostics.model import Severity
from ftc.driver import Request, compile_job
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONF = ROOT / "conf"
# The requirements of an option; a missing value would be refused, and nothing else would be tested.
NEEDS = {
    "launcher=command": ("launcher.command=[python,train.py]",),
    "publish=git": ("publish.url=https://git.example.com/models/out",),
    "publish=huggingface": ("publish.repository=team/out", "publish.token.secret=hub"),
    "publish=s3": ("publish.bucket=out", "publish.credentials.secret=s3"),
    "source@model.source=s3": ("model.source.bucket=models",),
    "method=lora-ppo": ("train.reward_model=/workspace/reward",),
    "model=custom": ("model.id=org/model", "model.template=default"),
    "dataset=custom": ("dataset.id=org/data", "dataset.names=[mine]"),
    "dataset=identity-alauda": ("dataset.source.url=https://git.example.com/data",),
    "source@model.source=git": ("model.source.url=https://git.example.com/m",),
    "source@model.source=path": ("model.source.path=/workspace/m",),
}
# One of each kind of model: the others differ only in names and sizes, and each is in one more row.
KINDS = ("custom", "none", "qwen3-0.6b", "qwen2.5-vl-7b-instruct", "qwen3-30b-a3b", "internlm3-8b-instruct")


def _words(group: str, option: str) -> str:
    return f"source@model.source={option}" if group == "source" else f"{group}={option}"


def _groups() -> dict[str, list[str]]:
    def options(group: Path) -> list[str]:
        return [_words(group.name, file.stem) for file in sorted(group.glob("*.yaml"))]

    found = {group.name: options(group) for group in sorted(CONF.iterdir()) if any(group.glob("*.yaml"))}
    found["model"] = [f"model={kind}" for kind in KINDS]
    return {**found, "target": ["-t volcano", "-t job"], "nodes": ["nodes=1", "nodes=2"], "devices": ["devices=2"]}


def _other_models() -> list[tuple[str, ...]]:
    """Each model that is not in the cover, each on another kind of hardware as far as possible."""
    others = sorted(file.stem for file in (CONF / "model").glob("*.yaml") if file.stem not in KINDS)
    hardware = _groups()["hardware"]
    return [(f"model={name}", hardware[i % len(hardware)], "-t volcano") for i, name in enumerate(others)]


# `make check` has every sixth row; `make test-all` has all.
PARTS = 6


@cache
def _cover() -> list[tuple[str, ...]]:
    """Rows that have each pair; it takes seconds, which not every process that collects tests must spend."""
    return [tuple(row) for row in AllPairs(list(_groups().values()))]


def _request(row: tuple[str, ...]) -> Request:
    target = next(word for word in row if word.startswith("-t ")).removeprefix("-t ")
    # A command does not use a model source.
    bare = "launcher=command" in row or "model=none" in row
    words = [w for w in row if not w.startswith("-t ") and not (bare and w.startswith("source@"))]
    needs = [need for word in words for need in NEEDS.get(word, ())]
    return Request((*words, *needs), targets=(target,))


@pytest.mark.slow
def test_the_cover_has_every_pair_of_options() -> None:
    groups = list(_groups().values())
    pairs = {(a, b) for i, one in enumerate(groups) for other in groups[i + 1 :] for a in one for b in other}
    covered = {(a, b) for row in _cover() for i, a in enumerate(row) for b in row[i + 1 :]}
    assert pairs <= covered
    assert len(_cover()) >= 59 * 10


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
def test_a_row_of_the_cover_compiles_or_is_refused_with_a_code(part: int) -> None:
    for row in [*_cover(), *_other_models()][part::PARTS]:
        request = _request(row)
        state = compile_job(request)
        errors = [d for d in state.diagnostics if d.severity is Severity.ERROR]
        if errors:
            assert all(d.code.startswith("FTC") and d.message for d in errors), (request, errors)
            assert not state.outputs
        else:
            assert state.outputs.keys() == set(request.targets), request
