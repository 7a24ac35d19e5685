"""Plain YAML has the data and the nodes that PyYAML's loader gives; other YAML is not read as plain."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftc.source.plain import Limits, plain_documents
from ftc.source.reading import ConfigurationLoader, KubernetesLoader, documents, parse
from golden import cases

LIMITS = Limits(nodes=1_000, depth=8)
LOADERS = (ConfigurationLoader, KubernetesLoader)


def loaded(text: str, loader: type[yaml.CSafeLoader]) -> list[tuple[str, Any]]:
    """The data and the nodes, as PyYAML composes and constructs them."""
    events = loader(text)
    roots = []
    while events.check_node() and (root := events.get_node()) is not None:
        roots.append(root)
    return [(repr(loader("").construct_document(root)), described(root)) for root in roots]


def described(node: yaml.Node) -> Any:
    """A node with all its attributes."""
    marks = [(mark.index, mark.line, mark.column) for mark in (node.start_mark, node.end_mark)]
    about = (type(node), node.tag, marks, getattr(node, "style", None), getattr(node, "flow_style", None))
    if isinstance(node, yaml.MappingNode):
        return (*about, [(described(key), described(value)) for key, value in node.value])
    return (*about, [described(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else node.value)


PLAIN = (
    *("", "a", "---\n", "--- 1\n--- x\n...\n", "[]", "{}", "a: 1\nb: [1, {c: x}]\n", "- - - a\n", "a:\n- b\n- c:\n"),
    *("a: |\n  b\n  c\nd: >-\n  e\n  f\n", "a: 'it''s'\nb: \"x\\ty\"\n", "a: 1e3\nb: 0x1f\nc: 017\nd: 1:30\n"),
    *("e: y\nf: no\n", "a: .nan\nb: -.inf\nc: ~\nd:\ne: ''\n", "a: 2024-01-01\n", "# a\na: b # c\n", "é: ü\n"),
    *("{a: {b: [c, 'd']}, e: 1}", "? a\n: b\n", "%YAML 1.1\n---\na: 1\n", "a: " + "x" * 200, "a: " + "1" * 90),
    *('{"a":1}', "\ufeffa: 1\n"),
)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", PLAIN)
def test_plain_yaml_is_what_the_loader_gives(text: str, loader: type[yaml.CSafeLoader]) -> None:
    found = plain_documents(text, loader, LIMITS)
    assert found is not None
    assert [(repr(data), described(root)) for data, root in found] == loaded(text, loader)


NOT_PLAIN = {
    "an anchor": "a: &b 1\n",
    "an alias": "a: &b [1]\nc: *b\n",
    "a merge": "a: {<<: {b: 1}}\n",
    "a tag": "a: !!str 1\n",
    "a tag on a mapping": "a: !!map {}\n",
    "a duplicate key": "a: 1\na: 2\n",
    "a number as a key": "1: a\n",
    "a list as a key": "? [a]\n: b\n",
    "a mapping as a key": "{{a: b}: c}\n",
    "YAML 1.1's value": "a: =\n",
    "too deep": "[" * 9 + "]" * 9,
    "a scalar that is too deep": "[" * 8 + "a" + "]" * 8,
    "too many nodes": "[" + "a," * 1_001 + "]",
    "an error": "a: [\n",
    "an error in a later document": "a: 1\n---\na: [\n",
    "a control character": "a: \x00\n",
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_other_yaml_is_not_plain(text: str, loader: type[yaml.CSafeLoader]) -> None:
    assert plain_documents(text, loader, LIMITS) is None


PIECES = (
    "a",
    "b",
    "1",
    "y",
    "null",
    ": ",
    "- ",
    "? ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    '"',
    "|\n",
    "---\n",
    "#",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_read_as_the_loader_reads_it(text: str) -> None:
    for loader in LOADERS:
        found = plain_documents(text, loader, LIMITS)
        if found is not None:
            assert [(repr(data), described(root)) for data, root in found] == loaded(text, loader)


def test_nearly_every_manifest_is_plain() -> None:
    files = sorted(cases.SCENARIOS.rglob("*.yaml"))
    plain = [file for file in files if plain_documents(file.read_text(), KubernetesLoader, Limits(100_000, 64))]
    assert len(plain) > 0.9 * len(files) > 0


@pytest.mark.parametrize("text", ["a: 017\n", "a: 1_000\n", "a: 0o17\n", "a: [0x1f]\n", "- a\n", "a: 1\n---\nb: 1\n"])
def test_a_configuration_with_odd_numbers_or_two_documents_is_refused(text: str) -> None:
    document, problems = parse(text, "a.yaml")
    assert document is None
    assert problems


def test_the_documents_of_a_stream_without_content_are_left_out() -> None:
    found, problems = documents(b"---\n---\na: 1\n---\n# b\n", "a.yaml")
    assert ([one.data for one in found], problems) == ([{"a": 1}], ())
