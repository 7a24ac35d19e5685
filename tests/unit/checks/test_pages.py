"""The page of each code: it says what must hold and why, and its examples do what they say."""

from __future__ import annotations

import pytest

from ftc.checks import EVERY
from ftc.checks.pages import pages
from ftc.cli.pages import pages as every_page
from ftc.diagnostics import codes
from ftc.diagnostics.model import Severity
from ftc.diagnostics.page import Page, read, render
from unit.compiling import ROOT, ftc

PAGES = pages()
# A file is wrong, not a command line; golden/errors has an example of each.
OF_FILES = {codes.UNREADABLE, codes.NO_OPTIONS}
EXAMPLES = sorted(PAGES.keys() - OF_FILES)


def committed(kind: str, code: str) -> str:
    """What the example of a page says; the goldens keep it true."""
    return (ROOT / "tests" / "corpus" / kind / f"{code}.err").read_text(encoding="utf-8")


def test_every_rule_and_every_code_of_the_passes_before_has_a_page() -> None:
    assert PAGES.keys() == {rule.code for rule in EVERY} | codes.TEXTS.keys()
    named = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    assert named == codes.TEXTS.keys()


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)
def test_a_page_has_a_sentence_and_a_reason(page: Page) -> None:
    assert page.title.endswith(".")
    assert "\n" not in page.title
    assert len(page.title) < 100
    assert len(page.why) > 40
    assert page.why.endswith((".", ")"))


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_wrong_example_is_found_with_the_code(code: str) -> None:
    command, *lines = committed("bad", code).splitlines()
    assert command == f"$ ftc compile {PAGES[code].wrong}"
    assert any(f"{PAGES[code].severity.value}[{code}]: " in line for line in lines)


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_right_example_compiles_without_it(code: str) -> None:
    command, *lines = committed("good", code).splitlines()
    assert command == f"$ ftc compile {PAGES[code].right}".rstrip()
    assert f"[{code}]" not in "".join(lines)
    assert lines[-1] == "exit code 0"


def test_a_mistake_in_a_file_has_no_command_line() -> None:
    assert {code for code, page in PAGES.items() if page.wrong is None or page.right is None} == OF_FILES


def test_a_docstring_is_read_as_a_page() -> None:
    text = """One sentence.

    A reason
    on two lines.

    Another.

    Wrong: nodes=2
      devices=9
    Right:
    """
    assert read("FTC999", text) == Page(
        code="FTC999",
        title="One sentence.",
        why="A reason\non two lines.\n\nAnother.",
        wrong="nodes=2 devices=9",
        right="",
    )


def test_a_page_reads_so() -> None:
    page = Page(code="FTC999", title="All is well.", why="It hurts.", wrong="a=1", right="", severity=Severity.WARNING)
    assert render(page) == (
        "FTC999 (warning): All is well.\n\nIt hurts.\n\nWrong:  ftc compile a=1\nRight:  ftc compile\n\n"
        "To suppress it: --ignore FTC999, or `ignore: [FTC999]` in the spec.\n"
    )


def test_an_example_of_another_target_names_it() -> None:
    assert "\nWrong:  ftc compile -t script nodes=2\n" in render(PAGES["FTC507"])
    assert "Applies to -t script only." in render(PAGES["FTC507"])


def test_rule_prints_the_page() -> None:
    said = ftc("rule", "FTC301")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith("FTC301 (error): A pod asks for no more devices than a node has.\n")
    assert "\nWrong:  ftc compile devices=16\nRight:  ftc compile nodes=2 devices=8\n" in said.stdout
    assert ftc("rule", "ftc301") == said


def test_rule_lists_every_code_with_its_severity_and_a_line() -> None:
    rows = ftc("rule").stdout.splitlines()
    assert [row.split()[0] for row in rows] == sorted(every_page())
    assert "FTC303  warning  What HAMi hands out is placed by a scheduler that knows it." in rows


def test_an_unknown_code_is_answered_with_the_one_that_was_meant() -> None:
    said = ftc("rule", "FTC103x")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "unknown code 'FTC103x'; did you mean 'FTC103'?" in said.stderr
