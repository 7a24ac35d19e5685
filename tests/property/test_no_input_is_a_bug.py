"""ftc compiles any input or says what is wrong with it; it never breaks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftc.diagnostics.model import has_errors
from ftc.driver import PASSES, Request, State
from fuzz.mutators import CHOICES, GROUPS, LIKELY, TEXTS, keys
from unit.compiling import COMMAND, document, ftc
from unit.loading import load_all

BASES = (
    (),
    ("launcher=accelerate", "nodes=2", "devices=2", "engine=fsdp2", "tracking=tensorboard"),
    ("launcher=torchrun", "engine=deepspeed-z3", "storage=job-lifetime", "hardware=alauda-vgpu"),
    (*COMMAND, "storage=per-pod", "hardware=cpu", "naming=fixed"),
    (
        *("source@model.source=git", "model.source.url=https://a.example/b", "model.source.credentials={secret: s}"),
        *(
            "publish=git",
            "publish.url=https://a.example/c",
            "tracking=mlflow",
            "tracking.mlflow.uri=http://m",
            "method=full-sft",
        ),
    ),
)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    base = draw(st.sampled_from(BASES))
    added = draw(st.sampled_from(["", "", "", "", "", "", ".extra", ".kind", ".a.b"]))
    likely = draw(st.booleans())
    values = [
        f"{draw(st.sampled_from(['', '', '', '+', '++']))}{draw(st.sampled_from(keys(base)))}{added}={value}"
        for value in draw(st.lists(st.sampled_from(LIKELY if likely else TEXTS), min_size=1, max_size=2))
    ]
    rest = [
        f"~{draw(st.sampled_from(keys(base)))}",
        f"{draw(st.sampled_from(GROUPS))}={draw(st.sampled_from(CHOICES))}",
    ]
    return [*base, *values, *draw(st.sampled_from([[], [], [], rest, rest[:1], rest[1:]]))]


@settings(max_examples=150)
@given(lines(), st.sampled_from(["volcano", "volcano", "llamafactory", "script", "image"]))
def test_random_overrides_compile_or_are_refused(overrides: list[str], target: str) -> None:
    said = ftc("compile", "-t", target, "--", *overrides)
    if said.exit_code == 0:
        assert said.stdout
        if target not in ("script", "image"):
            load_all(said.stdout)
    else:
        assert said.exit_code == 1
        assert said.stdout == ""
        assert "error[FTC" in said.stderr


@settings(max_examples=150)
@given(st.text("nodes=,.@~+[]{}'\"\\$(): \t\n#?é1a", max_size=12))
def test_random_texts_are_refused_as_overrides(text: str) -> None:
    said = ftc("compile", "--", text)
    assert said.exit_code in (0, 1)
    assert said.exit_code == 0 or said.stderr


def texts_of(spec: Any, path: str = "") -> list[str]:
    """The paths of a spec that hold a string, as overrides name them."""
    if isinstance(spec, dict):
        return [found for key, inner in spec.items() for found in texts_of(inner, f"{path}.{key}".lstrip("."))]
    return [path] if isinstance(spec, str) else []


HOSTILE = (
    *("", " ", "-", "--help", "..", ".", "/", "//", "/..", "a/../b", "*", "?", "$(A)", "$A", "`a`", "%s", "{}", "a,b"),
    *("\0", "a\0b", "\n", "a\n", "\r", "\x1b[31m", "\x7f", "\u2028", "\ufeff", "\ud800", "\uffff", "😀", "é", "a b"),
    *("null", "true", "~", "017", "1:30", "0x10", "1e999", ".nan", "-1", "0", "x" * 64, "x" * 254, "x" * 5000),
    *("https://u:p@h/", "git@h:p", "a:b", "+a", "@{", "a..b", "'", '"', "\\", "#", "!!int 1", "&a", "*a", "---"),
)


@pytest.mark.parametrize("base", range(len(BASES)))
def test_no_string_in_any_key_is_a_bug(base: int) -> None:
    """Set every key that holds a string to some hostile strings, as composition would."""
    composed = PASSES[0](State(Request(BASES[base])))
    assert composed.composed is not None
    places = texts_of(document("spec.yaml", *BASES[base]))
    assert len(places) > 20
    for index, place in enumerate(places):
        for text in HOSTILE[(index + base) % 5 :: 5]:
            data = placed(composed.composed.data, place.split("."), text)
            state = msgspec.structs.replace(composed, composed=msgspec.structs.replace(composed.composed, data=data))
            for step in PASSES[1:]:  # an exception is a bug
                state = step(state) if not has_errors(state.diagnostics) else state
            assert has_errors(state.diagnostics) or state.outputs, (place, text)


def placed(data: dict[str, Any], path: list[str], text: str) -> dict[str, Any]:
    """The data with a string at a path."""
    key, *rest = path
    inner = data.get(key)
    return {**data, key: placed(inner if isinstance(inner, dict) else {}, rest, text) if rest else text}
