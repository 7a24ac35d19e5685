"""Each line and each value of an artifact has a place, and the place leads back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.explain.artifact import Documents, address, at_line, documents, look
from ftc.explain.paths import Found, find, written
from ftc.plan.build import plan
from ftc.targets import TARGETS
from unit.compiling import compiled
from unit.explain.scenarios import NAMES, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec


def read(spec: JobSpec | None, target: str) -> tuple[str, Documents]:
    assert spec is not None
    run = plan(spec)
    text = TARGETS[target].text(run)
    return text, documents(text, run)


def everything(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from everything(inner, (*path, key))


def at(text: str, line: str, target: str, *overrides: str) -> str:
    """The place of the only line that contains a text."""
    printed, found = read(compiled(*overrides).spec, target)
    (number,) = [number for number, one in enumerate(printed.splitlines(), 1) if line in one]
    place = at_line(printed, number, list(found))
    assert place is not None, text
    return f"{place.document}:{written(place.path)}"


# Each line of a manifest of thousands is looked up: some scenarios are enough for each change.
SOME_OR_ALL = [pytest.param(name, marks=[pytest.mark.slow] if n % 4 else []) for n, name in enumerate(NAMES)]


def test_a_line_is_the_key_the_item_or_the_variable_on_it() -> None:
    assert at("a key", "schedulerName:", "volcano") == "Job:spec.schedulerName"
    assert at("a key of a mapping below", "  tasks:", "volcano") == "Job:spec.tasks"
    assert at("the name of an item", "- name: train", "volcano") == (
        "Job:spec.tasks[0].template.spec.containers[0].name"
    )
    assert at("a whole item", "name: MASTER_PORT", "volcano") == (
        "Job:spec.tasks[0].template.spec.containers[0].env[2]"
    )


def test_a_line_of_a_file_inside_is_a_key_of_that_file() -> None:
    assert at("a file", " learning_rate:", "volcano") == (
        'Job:spec.tasks[0].template.metadata.annotations["ftc.dev/train.yaml"].learning_rate'
    )


def test_documents_are_named_by_kind_or_file() -> None:
    assert at("the Service", "clusterIP:", "job", "nodes=2") == "Service:spec.clusterIP"
    assert at("the Job", "parallelism:", "job", "nodes=2") == "Job:spec.parallelism"
    assert at("a file", "learning_rate:", "llamafactory") == "train.yaml:learning_rate"
    assert at("the other", "export_dir:", "llamafactory") == "merge.yaml:export_dir"


@pytest.mark.parametrize("target", ["volcano", "job", "llamafactory"])
@pytest.mark.parametrize("name", SOME_OR_ALL)
def test_every_line_of_a_scenario_has_a_value(name: str, target: str) -> None:
    text, found = read(scenario(name).spec, target)
    for number, line in enumerate(text.splitlines(), 1):
        place = at_line(text, number, list(found))
        if line == "---":
            continue
        assert place is not None, line
        assert isinstance(find(found[place.document], place.path), Found)


@pytest.mark.parametrize("target", ["volcano", "job", "llamafactory"])
@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_scenario_is_found_at_its_address(name: str, target: str) -> None:
    _, found = read(scenario(name).spec, target)
    for document in found.values():
        for path, value in everything(document):
            assert look(document, address(document, path)) == value


def test_an_item_keeps_its_address_if_others_are_inserted() -> None:
    before = yaml.safe_load("env: [{name: A, value: 1}, {name: B, value: 2}]")
    after = yaml.safe_load("env: [{name: C, value: 3}, {name: A, value: 1}, {name: B, value: 2}]")
    where = address(before, ("env", 1, "value"))
    assert look(after, where) == 2
