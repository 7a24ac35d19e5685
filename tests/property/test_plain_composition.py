"""If ftc composes without Hydra, the result is the same as Hydra's."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, flag_override

from ftc.compose import Conf, by_hydra, compose, plain
from ftc.compose.by_hydra.overrides import parsed
from ftc.compose.plain import values
from ftc.compose.plain.overrides import read
from ftc.compose.references import missing
from ftc.compose.types import Choice, ValueOverride, value_override
from ftc.driver import conf_of
from unit.compiling import ROOT, conf

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = st.sampled_from(("a", "b", "c", "some-key"))
TEXTS = ("x", "", "???", "${a}", "${a.b}", "${.b}", "${..a}", "x/${a.b}", "${b}${c}", "\\${a}", "${a", "${oc.env:A}")
SCALARS = st.sampled_from((None, True, 0, 1, 1.5, *TEXTS))
TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2), max_leaves=6
)
FILES = st.lists(st.dictionaries(NAMES, TREES, max_size=3), min_size=1, max_size=3)
ASSIGNED = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3).map(".".join), TREES), max_size=3)


def plainly(files: Sequence[dict[str, Any]], assigned: Sequence[tuple[str, Any]]) -> Any:
    data: dict[str, Any] = {}
    for file in files:
        if not values.is_plain(file):
            raise values.UncertainError
        data = values.overlay(data, file)
    for key, value in assigned:
        if not values.is_plain(value):
            raise values.UncertainError
        data = values.assigned(data, key.split("."), value)
    return values.resolved(data, lambda _: False)


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
    except values.UncertainError:
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


NUMBERS = ("null", "TRUE", "1", "-2", "007", "1_0", "1.50", ".5", "1e3", "inf", "NaN", "0x1F")
QUOTED = ("'q r'", '"q\\\\"', "'q\\'r'", "''", '"[,]{:}="', '"é"')
USUAL = (*NUMBERS, *QUOTED, "a", "b1", "x-y", "a b", "c:d", "ascend", "none", "${nodes}", "${.a}/x")
SPECIAL = ("é", "${a:b}", '"${a}\\x"', "a(b)", "???", "x\\,y", "a:", "")
SIGNS = (*"=,:[]{}()./@+~ \\$'\"#-?", ": ", ", ")
PIECES = st.lists(st.sampled_from((*USUAL, *SPECIAL, *SIGNS)), max_size=7).map("".join)


def nested(words: Sequence[str], keys: Sequence[str]) -> st.SearchStrategy[str]:
    def inside(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        items = st.lists(inner, max_size=3).map(", ".join)
        pairs = st.lists(st.tuples(st.sampled_from(keys), inner).map(": ".join), max_size=3).map(",".join)
        return items.map("[{}]".format) | pairs.map("{{{} }}".format)

    return st.recursive(st.sampled_from(words), inside, max_leaves=6)


KEYS = ("a", "b/c.d", "e-f")
SETTABLE = ("nodes", "a.b-c", "train.a", "cluster.volcano", "+x", "++x.y", "model")
CHOOSABLE = ("model", "hardware", "+hardware", "source@model.source", "+source@x.y")
OTHERS = ("++hardware", "~x", "x@y", "x/y", "a..b", "_x", "1", "")
OVERRIDES = (
    st.tuples(st.sampled_from(SETTABLE), nested(USUAL, KEYS)).map("=".join)
    | st.tuples(st.sampled_from(CHOOSABLE), st.sampled_from(("none", "ascend", "'git'", "x"))).map("=".join)
    | st.tuples(
        st.sampled_from((*SETTABLE, *CHOOSABLE, *OTHERS)), nested((*SPECIAL, *USUAL), (*KEYS, *NUMBERS)) | PIECES
    ).map("=".join)
    | PIECES
)


@settings(max_examples=1000)
@given(OVERRIDES)
def test_a_plain_override_is_read_as_hydra_reads_it(text: str) -> None:
    shipped = conf_of(())
    found = read(text, shipped)
    if found is None:
        return
    wanted = parsed(text, shipped)
    assert wanted.problem is None
    assert wanted.override is not None
    if isinstance(found, Choice):
        assert not wanted.is_value
        assert wanted.override.get_key_element() == f"{'+' * found.is_added}{found.key}"
        assert wanted.override.value() == found.option
    else:
        assert wanted.is_value
        assert repr(value_override(wanted.override)) == repr(found)


@settings(max_examples=30)
@given(st.lists(OVERRIDES, min_size=1, max_size=3))
def test_a_run_is_composed_or_refused_as_by_hydra_alone(texts: list[str]) -> None:
    shipped = conf_of(())
    wanted, problems = by_hydra.compose(texts, shipped, "config")
    incomplete = missing(wanted.data, (), wanted) if wanted else ()
    found, diagnostics = compose(texts, shipped)
    assert repr(diagnostics) == repr((*problems, *incomplete))
    assert repr(found and found.data) == repr(wanted and wanted.data)
    assert (found and found.choices) == (wanted and wanted.choices)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=", ""),
        ("a=b/c:d-e.f@g", "b/c:d-e.f@g"),
        ("a=two words", "two words"),
        ("a= 1_000", 1000),
        ("a=007", "007"),
        ("a=-1.5e-3", -0.0015),
        ("a=nUll", None),
        ("a=True", True),
        ("a='1'", "1"),
        ('a="b\\\\\\"c\\d, ["', 'b\\"c\\d, ['),
        ("++a=[1, [x],{b: 'c,d', e/f: {}} ]", [1, ["x"], {"b": "c,d", "e/f": {}}]),
        ("a=x${b.c}y", "x${b.c}y"),
        ("cluster.volcano=1.10", "1.10"),
        ("env={A: 1, B: yes}", {"A": "1", "B": "yes"}),
    ],
)
def test_usual_overrides_are_plain(text: str, value: Any) -> None:
    found = read(text, conf_of(()))
    assert isinstance(found, ValueOverride)
    assert repr(found.value) == repr(value)


ITEMS = ("config", "_self_", "a", "/a", "g/a", "/g/b", "a@p", "/g/a@p.q", "b@_global_", "c")
GROUPS = ("g", "/g", "h", "/h", "g@p", "/g@p", "h@_global_.q", "optional g", "g@_here_")
OVERRIDDEN = tuple(f"override {group}" for group in (*GROUPS[:-2], "/h@_global_.q", "/g@g.p", "/g@h.p"))
ENTRIES = st.sampled_from(ITEMS) | st.tuples(
    st.sampled_from((*GROUPS, *OVERRIDDEN)), st.sampled_from(("a", "b", "c", None, "???", "_self_", "${h}"))
).map(lambda pair: dict([pair]))
LISTS = st.lists(ENTRIES, max_size=4)
PACKAGES = ("# @package _global_\n", "# @package p.q\n", "# text\n# @package p\n", "\n# @package p\n")
HEADERS = st.just("") | st.sampled_from(PACKAGES)
FILE_NAMES = ("run", "a", "g/a", "g/b", "h/a", "h/b")
CHOICES = ("g=a", "g=b", "h=b", "+h=a", "+g@p=b", "g@p=a", "h@q=a", "g@g.p=b", "g@h.p=a", "x=1", "g=c")
TREE = st.tuples(*[st.tuples(HEADERS, st.none() | LISTS) for _ in FILE_NAMES])


@settings(max_examples=500)
@given(TREE, st.lists(st.sampled_from(CHOICES), max_size=2), st.sampled_from(("run", "g/a")))
def test_a_plain_tree_is_composed_as_hydra_composes_it(
    files: Sequence[tuple[str, list[Any] | None]], overrides: list[str], name: str
) -> None:
    with TemporaryDirectory() as directory:
        for file, (header, listed) in zip(FILE_NAMES, files, strict=True):
            data = {**({} if listed is None else {"defaults": listed}), file.replace("/", ""): 1, "last": file}
            conf(Path(directory), {file: header + yaml.safe_dump(data, sort_keys=False)})
        found = Conf([(Path(directory), "conf")])
        composed = plain.compose(overrides, found, name)
        if composed is not None:
            wanted, problems = by_hydra.compose(overrides, found, name)
            assert problems == ()
            assert composed == wanted
            assert json.dumps(composed.data) == json.dumps(wanted and wanted.data)


def test_shipped_options_are_composed_plainly() -> None:
    shipped = conf_of(())
    # These are not part of a run on their own, or need OmegaConf.
    others = {"build", "source", "hardware=nvidia-hami-percentage"}
    required = ["dataset.id=a", "model.id=a"]
    files = [file for file in sorted((ROOT / "conf").glob("*/*.yaml")) if file.parent.name not in others]
    words = [word for file in files if (word := f"{file.parent.name}={file.stem}") not in others]
    for word in words:
        assert plain.compose([word, *required], shipped, "config") is not None, word


@pytest.mark.parametrize(
    "run",
    [
        "defaults: [config, hardware@also: '${hardware}', _self_]\n",
        "defaults: [config, _self_]\nnodes: '${devices}'\nenv: {A: '\\${nodes}'}\n",
    ],
)
def test_special_cases_are_left_to_hydra(tmp_path: Path, run: str) -> None:
    conf(tmp_path, {"run": run})
    assert plain.compose([], conf_of((tmp_path,)), "run") is None
