"""ftc composes as Hydra does."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import hydra
import pytest
import yaml
from hydra import initialize_config_dir
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftc.compose import Conf, compose
from ftc.diagnostics.model import has_errors
from unit.compiling import ROOT, conf

if TYPE_CHECKING:
    from pathlib import Path

CONF = ROOT / "conf"
GROUPS = sorted({file.parent.name for file in CONF.glob("*/*.yaml")} - {"source"})
PACKAGES = {"source": ("source@model.source", "source@dataset.source")}


@cache
def options(group: str) -> list[str]:
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed_by_hydra(overrides: list[str], directory: Path = CONF, name: str = "config") -> Any:
    """The composed data; None if Hydra refuses."""
    with warnings.catch_warnings(), initialize_config_dir(version_base="1.3", config_dir=str(directory)):
        warnings.simplefilter("ignore")
        try:
            return OmegaConf.to_container(hydra.compose(name, overrides), resolve=True)
        except (HydraException, OmegaConfBaseException):
            return None


def composed_by_ftc(overrides: list[str], directories: tuple[Path, ...] = (CONF,), name: str = "config") -> Any:
    composed, diagnostics = compose(overrides, Conf([(directory, directory.name) for directory in directories]), name)
    wrong = [d for d in diagnostics if d.code != "FTC005"]  # Hydra leaves ??? as it is
    return None if composed is None or has_errors(wrong) else composed.data


def order(value: Any) -> str:
    """A text that differs if values, their types or the order of keys differ."""
    return json.dumps(value)


def chosen(draw: st.DrawFn) -> list[str]:
    groups = draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=4))
    found = [f"{group}={draw(st.sampled_from(options(group)))}" for group in groups]
    if not any(choice in ("model=none", "dataset=none", "launcher=command") for choice in found) and draw(
        st.booleans()
    ):
        package = draw(st.sampled_from(PACKAGES["source"]))
        found.append(f"{package}={draw(st.sampled_from(options('source')))}")
    return found


PATHS = (
    *("nodes", "name", "image", "trainer.llamafactory", "train.learning_rate", "train.a.b", "env.X", "labels.team"),
    *("hardware.device.resource", "hardware.cpu_per_device", "hardware.pod.spec.tolerations", "cluster.hub_endpoint"),
    *("model.id", "model.arguments.x", "dataset.names", "method.arguments.lora_rank", "method.merge", "engine.config"),
    *("storage.workspace.mount_path", "storage.cache.path", "launcher.args", "setup", "pod", "new_key", "new.key"),
)
VALUES = (
    *("1", "-1", "1.5", "1e-4", "1_000", "0x10", "true", "null", "abc", "'a b'", '"x, y"', "''", "'3'", "a.b/c", "???"),
    *("[]", "[1,two,3.0]", "[[a],[b,1]]", "{}", "{a: 1}", "{a: {b: [c]}}", "${nodes}", "${cluster.queue}/x", "'a=b'"),
)


@st.composite
def combination(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Choices, and value overrides as key and value."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(VALUES)), max_size=4))
    return chosen(draw), [f"{path}={value}" for path, value in pairs]


@settings(max_examples=40)
@given(combination())
def test_a_random_combination_is_composed_as_hydra_composes_it(overrides: tuple[list[str], list[str]]) -> None:
    choices, values = overrides
    wanted = composed_by_hydra([*choices, *(f"++{value}" for value in values)])
    assert order(composed_by_ftc([*choices, *values])) == order(wanted)


def in_hydra(override: str) -> list[str]:
    """The overrides by which Hydra chooses the same: it does not have several options of a group."""
    several = re.fullmatch(r"dataset=\[(.*)\]", override)
    if several is None:
        return [override]
    first, *more = several[1].split(",")
    return [f"dataset={first}", *(f"+dataset@dataset.more.{one}={one}" for one in more)]


@pytest.mark.parametrize(
    "case", sorted((ROOT / "golden" / "scenarios").glob("*/case.yaml")), ids=lambda f: f.parent.name
)
def test_a_scenario_is_composed_as_hydra_composes_it(case: Path) -> None:
    overrides = yaml.safe_load(case.read_text())["overrides"]
    groups = {f"{group}" for group in [*GROUPS, *PACKAGES["source"]]}
    words = [word for text in overrides for word in in_hydra(text)]
    plain = [one if (key := one.partition("=")[0]) in groups or "@" in key else f"++{one}" for one in words]
    assert order(composed_by_ftc(overrides)) == order(composed_by_hydra(plain))


TREES: dict[str, dict[str, str]] = {
    "with self at the end": {"run": "defaults:\n  - config\n  - override hardware: ascend\n  - _self_\nnodes: 2\n"},
    "with self first": {"run": "defaults:\n  - _self_\n  - config\nnodes: 2\n"},
    "without self": {"run": "defaults:\n  - config\nnodes: 2\ntrain: {max_steps: 1}\n"},
    "an option that extends": {
        "run": "defaults:\n  - config\n  - override hardware: mine\n  - _self_\n",
        "hardware/mine": "defaults:\n  - ascend\n  - _self_\ndevice: {per_node: 16}\n",
    },
    "an option that replaces a shipped one": {
        "run": "defaults:\n  - config\n  - _self_\n",
        "engine/ddp": "kind: deepspeed\nstage: 2\n",
    },
    "a global package": {
        "run": "defaults:\n  - config\n  - experiment: long\n  - _self_\n",
        "experiment/long": "# @package _global_\ndefaults:\n  - override /method: full-sft\nnodes: 4\n",
    },
    "a package": {
        "run": "defaults:\n  - config\n  - part@train.part: a\n  - _self_\n",
        "part/a": "x: ${nodes}\ny: ${.x}\n",
    },
    "aliases": {"run": "defaults: [config, _self_]\nenv: &e {A: b}\nlabels: *e\n"},
    "numbers and strings": {
        "run": "defaults: [config, _self_]\ntrain: {a: 1e-4, b: -1.50, c: .5, d: yes, e: 2024-01-01, f: 08}\n"
    },
    "an optional option": {"run": "defaults:\n  - config\n  - optional part: nothing\n  - _self_\nnodes: 2\n"},
    "several options": {
        "run": "defaults:\n  - config\n  - part@train.part: [a, b]\n",
        "part/a": "x: 1\n",
        "part/b": "y: 2\n",
    },
    "a deleted value": {"run": "defaults: [config, _self_]\nmethod: {merge: null}\n"},
}


@pytest.mark.parametrize("tree", TREES)
def test_a_users_tree_is_composed_as_hydra_composes_it(tmp_path: Path, tree: str) -> None:
    conf(tmp_path, TREES[tree])
    wanted = composed_by_hydra([f"hydra.searchpath=[file://{CONF}]"], tmp_path, "run")
    assert order(composed_by_ftc([], (tmp_path, CONF), "run")) == order(wanted)
