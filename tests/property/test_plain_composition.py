"""If ftc composes without OmegaConf, the result is the same as OmegaConf's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, flag_override

from ftc.compose import plain
from ftc.driver import conf_of
from unit.compiling import ROOT, conf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEYS = st.sampled_from(("a", "b", "c", "some-key"))
TEXTS = ("x", "", "???", "${a}", "${a.b}", "${.b}", "${..a}", "x/${a.b}", "${b}${c}", "\\${a}", "${a", "${oc.env:A}")
SCALARS = st.sampled_from((None, True, 0, 1, 1.5, *TEXTS))
TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2), max_leaves=6
)
FILES = st.lists(st.dictionaries(KEYS, TREES, max_size=3), min_size=1, max_size=3)
ASSIGNED = st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=3).map(".".join), TREES), max_size=3)


def plainly(files: Sequence[dict[str, Any]], assigned: Sequence[tuple[str, Any]]) -> Any:
    data: dict[str, Any] = {}
    for file in files:
        if not plain.is_plain(file):
            raise plain.UncertainError
        data = plain.overlay(data, file)
    for key, value in assigned:
        data = plain.assigned(data, key, value)
    return plain.resolved(data, lambda _: False)


def by_omegaconf(files: Sequence[dict[str, Any]], assigned: Sequence[tuple[str, Any]]) -> Any:
    """Compose as Hydra's loader does."""
    config = OmegaConf.create()
    with flag_override(config, "no_deepcopy_set_nodes", values=True):
        for file in files:
            config.merge_with(OmegaConf.create(file))
    for key, value in assigned:
        OmegaConf.update(config, key, value, merge=True, force_add=True)
    return OmegaConf.to_container(config, resolve=True)


@settings(max_examples=400)
@given(FILES, ASSIGNED)
def test_plain_composition_equals_that_of_omegaconf(
    files: list[dict[str, Any]], assigned: list[tuple[str, Any]]
) -> None:
    before = json.dumps([files, assigned])
    try:
        found = plainly(files, assigned)
    except plain.UncertainError:
        return
    assert json.dumps([files, assigned]) == before, "the inputs are not changed"
    assert json.dumps(found) == json.dumps(by_omegaconf(files, assigned))


@pytest.mark.parametrize(
    ("files", "assigned", "made"),
    [
        ([{"a": {"b": 1}}, {"a": {"c": [1]}}], [], {"a": {"b": 1, "c": [1]}}),
        ([{"a": [1, 2]}, {"a": [3]}], [], {"a": [3]}),
        ([{"a": {"b": 1}}, {"a": None}], [], {"a": None}),
        ([{"a": {"b": 1}}, {"a": None}, {"a": {"c": 2}}], [], {"a": {"c": 2}}),
        ([{"a": "${b}", "b": 1}], [("b", 2)], {"a": 2, "b": 2}),
        ([{"a": "${b.c}/d", "b": {"c": "/x"}}], [("b.c", "/y")], {"a": "/y/d", "b": {"c": "/y"}}),
        ([{"a": {"b": "${..c}"}, "c": {"d": 1}}], [], {"a": {"b": {"d": 1}}, "c": {"d": 1}}),
        ([{"a": None}], [("a.b", 1)], {"a": {"b": 1}}),
        ([{}], [("a.b", [1]), ("a.c", {"d": 1})], {"a": {"b": [1], "c": {"d": 1}}}),
    ],
)
def test_usual_data_is_composed_plainly(
    files: list[dict[str, Any]], assigned: list[tuple[str, Any]], made: dict[str, Any]
) -> None:
    assert plainly(files, assigned) == made


def test_shipped_options_are_composed_plainly() -> None:
    shipped = conf_of(())
    # These are not part of a run on their own, or need OmegaConf.
    others = {"build", "source", "hardware=nvidia-hami-percentage"}
    files = [file for file in sorted((ROOT / "conf").glob("*/*.yaml")) if file.parent.name not in others]
    words = [word for file in files if (word := f"{file.parent.name}={file.stem}") not in others]
    for word in words:
        choice = shipped.parsed(word).override
        assert choice is not None
        assert shipped.combination("config", [choice]) is not None, word


@pytest.mark.parametrize(
    "run",
    [
        "defaults: [config, hardware@also: '${hardware}', _self_]\n",
        "defaults: [config, _self_]\nnodes: '${devices}'\nenv: {A: '\\${nodes}'}\n",
    ],
)
def test_special_cases_are_left_to_hydra(tmp_path: Path, run: str) -> None:
    conf(tmp_path, {"run": run})
    assert conf_of((tmp_path,)).combination("run", []) is None
