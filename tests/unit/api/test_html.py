"""Results in a notebook: markup is well formed, and no text of a user becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Protocol

import pytest

import ftc
from golden import cases

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = "<script>alert(1)</script>&\u202e"
VOID = {"br", "hr", "img"}


class Shown(Protocol):
    def _repr_html_(self) -> str | None: ...


class Page(HTMLParser):
    """The open elements, all elements, and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.elements.append(tag)
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def page(result: Shown) -> Page:
    text = result._repr_html_()
    assert text is not None
    found = Page(text)
    assert found.open == []
    return found


def refused() -> Shown:
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.compile(f"env.A='{HOSTILE}'", f"nodes='{HOSTILE}'", "hardware=nothing")
    return raised.value


RESULTS: dict[str, Callable[[], Shown]] = {
    "compile": lambda: ftc.compile(f"env.A='{HOSTILE}'"),
    "plan": lambda: ftc.plan(
        f"storage.workspace.mount_path='/{HOSTILE}'", "launcher=command", f"launcher.command=['{HOSTILE}']"
    ),
    "lint": lambda: ftc.lint(texts={HOSTILE: f"kind: Job\napiVersion: batch/v1\nspec: {{'{HOSTILE}': 1}}\n"}),
    "diff": lambda: ftc.diff(ftc.compile(), ftc.compile(f"env.A='{HOSTILE}'")),
    "refused": refused,
}


@pytest.mark.parametrize("name", RESULTS)
def test_no_text_of_a_user_becomes_markup(name: str) -> None:
    found = page(RESULTS[name]())
    assert "script" not in found.elements
    assert "\u202e" not in found.text
    assert "alert(1)" in found.text


def test_a_plan_is_a_table_with_the_memory_as_a_bar() -> None:
    plan = ftc.plan("model=qwen3-8b", "hardware=h800", "devices=8")
    found = page(plan)
    assert "GiB of 79.6 GiB per device" in found.text
    assert {"table", "th"} <= set(found.elements)
    shown = plan._repr_html_()
    widths = [float(part.partition("%")[0]) for part in shown.split('<span style="width: ')[1:]]
    total, device = plan.summary.memory.total_mib, plan.summary.memory.device_mib
    assert total
    assert device
    assert sum(widths) == pytest.approx(100 * total / device, abs=0.5)


def test_a_device_of_unknown_memory_has_no_bar() -> None:
    assert 'class="bar"' not in (ftc.plan("hardware=cpu")._repr_html_())


def test_manifests_are_folded() -> None:
    made = ftc.compile()
    assert page(made).elements.count("details") == len(made.artifacts)


def test_findings_have_their_line_and_their_help() -> None:
    found = page(ftc.lint(cases.CORPUS / "bad" / "FTC510-request-over-limit.yaml"))
    assert "FTC510 resources-contradict-devices-or-limits" in found.text
    assert "^^^" in found.text
    assert "help: " in found.text


def test_a_result_without_findings_says_so() -> None:
    assert page(ftc.lint(texts={})).text == "No findings."
    assert page(ftc.diff(ftc.compile(), ftc.compile())).text == "Nothing differs."


def test_a_notebook_shows_the_findings_instead_of_a_traceback() -> None:
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.compile("nodez=2")
    lines = raised.value._render_traceback_()
    assert lines[0].startswith("RefusedError: 1 error\noverride 'nodez=2': error[FTC010 unknown-key]")
