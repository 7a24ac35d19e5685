"""Any user's text reaches the program unchanged, despite Kubernetes' expansion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftc.plan.kubernetes import literal
from unit.compiling import conf, ftc

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = {"HOME": "/root", "A": "expanded", "": "nothing"}


def expand(text: str) -> str:
    """The kubelet's expansion of command, args and values (Kubernetes, third_party/forked/golang/expansion)."""
    result, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            result, at = result + text[at], at + 1
        elif text[at + 1] == "$":
            result, at = result + "$", at + 2
        elif text[at + 1] == "(" and ")" in text[at + 2 :]:
            end = text.index(")", at + 2)
            name = text[at + 2 : end]
            result, at = result + VARIABLES.get(name, f"$({name})"), end + 1
        else:
            result, at = result + text[at : at + 2], at + 2
    return result


def test_the_expansion_of_this_test_is_that_of_kubernetes() -> None:
    cases = {
        "$(A)": "expanded",
        "$$(A)": "$(A)",
        "$$$(A)": "$expanded",
        "$$$$(A)": "$$(A)",
        "$(A": "$(A",
        "$(B)": "$(B)",
        "$A$": "$A$",
        "a$$b": "a$b",
        "$": "$",
        "$()": "nothing",
    }
    assert {text: expand(text) for text in cases} == cases


@given(st.text("$()AB {}") | st.text())
def test_any_text_comes_through_unchanged(text: str) -> None:
    assert expand(literal(text)) == text


HOSTILE = (
    *("$(HOME)", "$$(HOME)", "$$", "$", "$(", "a$(A)b$$c", "${HOME}", "`id`", "$(id)", "; rm -rf /", "'\"\\", "a\nb\n"),
    *("--flag=$(A)", "", " ", "*", "~", "yes", "012", "中文 🤗", "-", "\t", "\\n", "{{ x }}", "<<EOF"),
)


def test_hostile_texts_reach_the_program_unchanged(tmp_path: Path) -> None:
    run = {
        "defaults": ["config", {"override launcher": "command"}, "_self_"],
        "launcher": {"command": ["run", "$(A)"], "args": [text.replace("${", "\\${") for text in HOSTILE]},
        "env": {f"V{index}": text.replace("${", "\\${") for index, text in enumerate(HOSTILE)},
    }
    said = ftc("compile", "--config-dir", conf(tmp_path, {"run": yaml.safe_dump(run)}), "-c", "run")
    assert said.exit_code == 0, said.stderr
    (task,) = yaml.safe_load(said.stdout)["spec"]["tasks"]
    (container,) = task["template"]["spec"]["containers"]
    assert [expand(text) for text in container["command"]] == ["bash", "/etc/ftc/launch.sh"]
    assert [expand(text) for text in container["args"]] == ["run", "$(A)", *HOSTILE]
    values = {v["name"]: expand(v["value"]) for v in container["env"] if v["name"].startswith("V")}
    assert values == {f"V{index}": text for index, text in enumerate(HOSTILE)}
