"""Whatever a user writes, ftc compiles it or says what is wrong; it never breaks."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutators import CHOICES, GROUPS, LIKELY, TEXTS, keys
from unit.compiling import COMMAND, ftc

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
            list(yaml.safe_load_all(said.stdout))
    else:
        assert said.exit_code == 1
        assert said.stdout == ""
        assert "error[FTC" in said.stderr


@settings(max_examples=150)
@given(st.text("nodes=,.@~+[]{}'\"\\$(): \t\n#?é1a", max_size=12))
def test_random_texts_are_told_as_overrides_that_are_wrong(text: str) -> None:
    said = ftc("compile", "--", text)
    assert said.exit_code in (0, 1)
    assert said.exit_code == 0 or said.stderr
