"""lint judges any manifest without breaking."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ftc.diagnostics import render_text
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from fuzz.mutators import ODD, SCALARS, manifests
from unit.loading import load_all

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])


def said(raw: bytes) -> tuple[Diagnostic, ...]:
    """The findings of lint, each at a place in the file."""
    found = lint([("m.yaml", raw)], NEWEST)
    lines = raw.decode("utf-8", "replace").splitlines() or [""]
    for diagnostic in found:
        assert diagnostic.position is not None
        assert 1 <= diagnostic.position.line <= len(lines) + 1
        assert diagnostic.position.column >= 1
        assert diagnostic.message
    assert render_text.render(found[:5], lambda _: lines) or not found
    return found


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A manifest with lines that are removed, doubled, moved, or replaced."""
    lines = draw(st.sampled_from(manifests())).split("\n")
    for _ in range(draw(st.integers(1, 5))):
        index = draw(st.integers(0, len(lines) - 1))
        line, value = lines[index], draw(st.sampled_from(SCALARS))
        start = draw(st.integers(0, len(line)))
        changes = [
            [],
            [line, line],
            [f" {line}"],
            [line.removeprefix("  ")],
            [f"{line.partition(':')[0]}: {value}"],
            [f"{line[: len(line) - len(line.lstrip())]}{value}"],
            [line[:start] + value + line[start + draw(st.integers(0, 3)) :]],
            [line, draw(st.sampled_from(lines))],
        ]
        lines[index : index + 1] = draw(st.sampled_from(changes))
        lines = lines or [""]
    return "\n".join(lines)


@settings(deadline=None)
@given(texts())
def test_a_manifest_with_changed_lines_is_judged(text: str) -> None:
    said(text.encode())


@settings(deadline=None)
@given(st.sampled_from(range(100_000)), st.binary(min_size=1, max_size=4), st.data())
def test_a_manifest_with_changed_bytes_is_judged(seed: int, new: bytes, data: st.DataObject) -> None:
    raw = manifests()[seed % len(manifests())].encode()
    at = data.draw(st.integers(0, len(raw)))
    said(raw[:at] + new + raw[at + data.draw(st.integers(0, 4)) :])


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in entries for found in places(value, (*path, key)))]


@settings(deadline=None)
@given(st.sampled_from(range(100_000)), st.data())
def test_a_manifest_with_values_of_another_type_is_judged(seed: int, data: st.DataObject) -> None:
    documents = load_all(manifests()[seed % len(manifests())])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(documents)[1:] or [(0,)]))
        node: Any = documents
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    said(yaml.safe_dump_all(documents, allow_unicode=True).encode())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged(raw: bytes) -> None:
    said(raw)
