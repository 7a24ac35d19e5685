"""The origins of a key are every file and override that set it, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftc.driver import Request, compile_job
from ftc.explain.origins import leaves, origins, plain
from ftc.explain.paths import parse, written
from unit.compiling import ROOT, conf
from unit.explain.scenarios import NAMES, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.diagnostics.model import Position


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def told(key: str, *overrides: str, config_dirs: tuple[Path, ...] = ()) -> list[tuple[str, list[tuple[str, object]]]]:
    """Each key with the places that set it (files without columns) and their values."""
    state = compile_job(Request(overrides, config_dirs, targets=()))
    assert state.composed is not None
    assert state.spec is not None
    path = parse(key)
    assert path is not None
    return [
        (written(one.path), [(_place(setting.position), setting.value) for setting in one.settings])
        for one in origins(state.composed, plain(state.spec), [path])
    ]


def _place(position: Position) -> str:
    return f"{position.source}:{position.line}" if position.line else str(position)


def line(file: str, text: str) -> str:
    """The place of the only line that begins so."""
    lines = (ROOT / "conf" / file).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, one in enumerate(lines, 1) if one.strip().startswith(text)]
    return f"conf/{file}:{number}"


def test_an_option_that_extends_another_wins_over_it() -> None:
    nvidia, h800 = line("hardware/nvidia.yaml", "memory_gib_per"), line("hardware/h800.yaml", "memory_gib_per")
    assert told("hardware.memory_gib_per_device", "hardware=h800") == [
        ("hardware.memory_gib_per_device", [(nvidia, 64), (h800, 192)])
    ]


def test_an_override_comes_last_and_the_last_override_wins() -> None:
    assert told("nodes", "nodes=2", "nodes=3") == [
        ("nodes", [(line("config.yaml", "nodes:"), 1), ("override 'nodes=2'", 2), ("override 'nodes=3'", 3)])
    ]


def test_a_mapping_in_an_override_sets_its_keys() -> None:
    assert told("train.max_steps", "train={max_steps: 5}", "train.learning_rate=1.0") == [
        ("train.max_steps", [("override 'train={max_steps: 5}'", 5)])
    ]


def test_a_reference_is_followed() -> None:
    config, nvidia = line("config.yaml", "image:"), line("hardware/nvidia.yaml", "image:")
    assert told("image") == [
        ("image", [(config, "${hardware.image}")]),
        ("hardware.image", [(nvidia, "hiyouga/llamafactory:0.9.5")]),
    ]


def test_a_reference_to_a_neighbour_is_followed() -> None:
    assert [key for key, _ in told("model.source.repository")] == ["model.source.repository", "model.id"]


def test_a_key_below_a_reference_is_found_below_its_target() -> None:
    git = ("cluster=alauda", "source@model.source=git", "model.source.url=https://a.example/b")
    assert told("model.source.credentials.secret", *git) == [
        (
            "model.source.credentials.secret",
            [(line("source/git.yaml", "credentials:"), "${cluster.git_credentials}")],
        ),
        (
            "cluster.git_credentials.secret",
            [
                (line("cluster/generic.yaml", "git_credentials:"), None),
                (line("cluster/alauda.yaml", "secret:"), "aml-image-builder-secret"),
            ],
        ),
    ]


def test_replacing_a_parent_replaces_its_keys() -> None:
    ((_, settings),) = told("env.A", "env.A=1", "env=null", "env={A: 2}")
    assert settings == [
        ("override 'env.A=1'", "1"),
        ("override 'env=null'", None),
        ("override 'env={A: 2}'", "2"),
    ]


def test_a_key_that_is_not_set_has_no_setting() -> None:
    assert told("cluster.fetch_cpu") == [("cluster.fetch_cpu", [])]


def test_a_users_option_is_named_by_its_file(tmp_path: Path) -> None:
    directory = conf(tmp_path, {"hardware/mine": "defaults: [h800, _self_]\ncpu_per_device: 20\n"})
    ((_, settings),) = told("hardware.cpu_per_device", "hardware=mine", config_dirs=(tmp_path,))
    assert [value for _, value in settings] == [8, 16, 20]
    assert settings[-1][0] == f"{directory}/hardware/mine.yaml:2"


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_scenario_is_that_of_the_winning_setting(name: str) -> None:
    state = scenario(name)
    assert state.composed is not None
    assert state.spec is not None
    data = plain(state.spec)
    for leaf in leaves(data):
        for origin in origins(state.composed, data, [leaf]):
            won = origin.settings[-1].value if origin.settings else origin.value
            assert gave(won, origin.value) or "${" in str(won), (leaf, origin)


def gave(setting: object, value: object) -> bool:
    """Whether the value is the one that was set, up to a conversion to a string and defaults added to an item."""
    if isinstance(setting, list) and isinstance(value, list):
        return len(setting) == len(value) and all(map(gave, setting, value))
    if isinstance(setting, dict) and isinstance(value, dict):
        return all(key in value and gave(item, value[key]) for key, item in setting.items())
    return str(setting) == str(value)
