"""A matrix in Hydra's sweep syntax, and its combinations."""

from __future__ import annotations

import pytest

from ftc.compose.sweep import Point, points
from ftc.conf_tree import search_path

CONF = search_path(())


def combinations(*overrides: str, excludes: tuple[tuple[str, ...], ...] = ()) -> list[tuple[str, ...]]:
    found, problems = points(overrides, CONF, excludes)
    assert problems == ()
    return [point.overrides for point in found]


def wrong(*overrides: str, excludes: tuple[tuple[str, ...], ...] = ()) -> list[str]:
    _, problems = points(overrides, CONF, excludes)
    return [problem.message for problem in problems]


def test_every_combination_in_hydras_order() -> None:
    assert combinations("hardware=ascend,h800", "name=a", "nodes=1,2") == [
        ("hardware=ascend", "name=a", "nodes=1"),
        ("hardware=ascend", "name=a", "nodes=2"),
        ("hardware=h800", "name=a", "nodes=1"),
        ("hardware=h800", "name=a", "nodes=2"),
    ]


def test_without_a_sweep_there_is_one_combination_as_written() -> None:
    assert combinations("cluster.volcano=1.10", "labels={a: b}") == [("cluster.volcano=1.10", "labels={a: b}")]
    assert combinations("nodes=1", "nodes=2", "nodes=1") == [("nodes=1", "nodes=2", "nodes=1")]
    assert combinations() == [()]


@pytest.mark.parametrize(
    ("swept", "values"),
    [
        ("nodes=range(1,4)", ["nodes=1", "nodes=2", "nodes=3"]),
        ("nodes=choice(4, 2)", ["nodes=4", "nodes=2"]),
        ("nodes=sort(4,2)", ["nodes=2", "nodes=4"]),
        ("hardware=glob(mi2*)", ["hardware=mi210", "hardware=mi250x"]),
        ("cluster.volcano=1.10,1.12", ["cluster.volcano=1.10", "cluster.volcano=1.12"]),
        ("train.learning_rate=1e-4, 2.0e-4", ["train.learning_rate=1e-4", "train.learning_rate=2.0e-4"]),
        ("setup=[[a,b]],[]", ["setup=[[a,b]]", "setup=[]"]),
        ("env.A='a,b','c'", ["env.A='a,b'", "env.A='c'"]),
        ("+env.A=x,y", ["+env.A=x", "+env.A=y"]),
        ("source@model.source=git,path", ["source@model.source=git", "source@model.source=path"]),
    ],
)
def test_hydras_ways_to_give_several_values(swept: str, values: list[str]) -> None:
    assert combinations(swept) == [(value,) for value in values]


def test_an_exclude_removes_combinations_that_match_all_of_its_overrides() -> None:
    excludes = (("hardware=ascend", "nodes=2,4"),)
    assert combinations("hardware=ascend,h800", "nodes=1,2,4", excludes=excludes) == [
        ("hardware=ascend", "nodes=1"),
        ("hardware=h800", "nodes=1"),
        ("hardware=h800", "nodes=2"),
        ("hardware=h800", "nodes=4"),
    ]


def test_an_exclude_compares_values_not_their_written_forms() -> None:
    found = combinations("train.learning_rate=1e-4,2e-4", excludes=(("train.learning_rate=0.0001",),))
    assert found == [("train.learning_rate=2e-4",)]


def test_problems_are_reported() -> None:
    assert wrong("nodes=1,2", excludes=(("nodes=3",),)) == ["excludes no combination"]
    assert wrong("nodes=1,2", excludes=(("nodes=1,2",),)) == ["no combination is left"]
    assert wrong("nodes=1,1") == ["gives the same value twice"]
    assert wrong("hardware=glob(zx*)") == ["gives no value"]
    assert wrong("train.learning_rate=interval(0,1)") == ["is an interval, which has infinitely many values"]
    assert wrong("nodes=shuffle(1,2)")[0].startswith("is not an override")
    assert wrong("nodes")[0].startswith("is not an override")


def test_a_directory_is_named_after_the_chosen_overrides() -> None:
    found, _ = points(["hardware=ascend,h800", "name=a", "nodes=1,2"], CONF)
    assert found[1].directory == "hardware=ascend,nodes=2"


def test_names_that_a_file_system_would_confuse_are_distinct() -> None:
    texts = ["name=a", "name=A", "name='a/b'", "name='a b'", "name=" + "x" * 300, "name=" + "x" * 301]
    names = [Point((), (text,)).directory for text in texts]
    assert len({name.lower() for name in names}) == len(texts)
    assert all(len(name) < 140 and "/" not in name for name in names)
