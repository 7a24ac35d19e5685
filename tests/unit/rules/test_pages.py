"""The page of each code: it states what must hold and why, names its source, and its examples are true."""

from __future__ import annotations

import re

import pytest

from ftc.diagnostics import codes
from ftc.diagnostics.model import Severity
from ftc.diagnostics.page import Page, read, render
from ftc.rules.catalogue import GROUPS, OF_SPECS, RULES
from ftc.rules.pages import of_compile, pages
from unit.compiling import ROOT, ftc

PAGES = of_compile()
# The mistake is in a file, not on the command line; golden/errors has an example of each.
OF_FILES = {codes.UNREADABLE, codes.NO_OPTIONS}
EXAMPLES = sorted(PAGES.keys() - OF_FILES)
SOURCED = tuple(GROUPS)


def committed(kind: str, code: str) -> str:
    """The output of a page's example; the goldens keep it true."""
    return (ROOT / "tests" / "corpus" / kind / f"{code}.err").read_text(encoding="utf-8")


def test_every_rule_and_every_code_of_earlier_passes_has_a_page() -> None:
    assert PAGES.keys() == {rule.code for rule in OF_SPECS} | codes.TEXTS.keys()
    named = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    assert named == codes.TEXTS.keys()


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)
def test_a_page_has_a_sentence_and_a_reason(page: Page) -> None:
    assert page.title.endswith(".")
    assert "\n" not in page.title
    assert len(page.title) < 100
    assert len(page.why) > 40
    assert page.why.endswith((".", ")"))


@pytest.mark.parametrize("group", SOURCED)
def test_the_page_of_every_rule_names_its_source(group: str) -> None:
    assert [f"{page.code} {page.name}" for page in pages().values() if page.group == group and not page.source] == []


@pytest.mark.parametrize("page", [page for page in pages().values() if page.source], ids=lambda page: page.code)
def test_a_source_is_a_separate_sentence(page: Page) -> None:
    assert page.source.endswith(".")
    assert "Source:" not in page.why + page.source


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_wrong_example_is_found_with_the_code(code: str) -> None:
    command, *lines = committed("bad", code).splitlines()
    assert command == f"$ ftc compile {PAGES[code].wrong}"
    assert any(f"{PAGES[code].severity.value}[{code} {PAGES[code].name}]: " in line for line in lines)


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_right_example_compiles_without_it(code: str) -> None:
    command, *lines = committed("good", code).splitlines()
    assert command == f"$ ftc compile {PAGES[code].right}".rstrip()
    assert f"[{code} " not in "".join(lines)
    assert lines[-1] == "exit code 0"


def test_a_mistake_in_a_file_has_no_command_line() -> None:
    assert {code for code, page in PAGES.items() if page.wrong is None or page.right is None} == OF_FILES


def test_a_docstring_is_read_as_a_page() -> None:
    text = """One sentence.

    A reason
    on two lines.

    Another.
    Source: Kubernetes,
    Pods.

    Wrong: nodes=2
      devices=9
    Right:
    """
    assert read("FTC999", text) == Page(
        code="FTC999",
        title="One sentence.",
        why="A reason\non two lines.\n\nAnother.",
        source="Kubernetes, Pods.",
        wrong="nodes=2 devices=9",
        right="",
    )


def test_a_page_is_rendered_as_text() -> None:
    page = Page(
        code="FTC999",
        name="no-pain",
        title="All is well.",
        why="It hurts.",
        source="Kubernetes, Pods.",
        wrong="a=1",
        right="",
        severity=Severity.WARNING,
    )
    assert render(page) == (
        "FTC999 no-pain (warning): All is well.\n\nIt hurts.\n\nSource: Kubernetes, Pods.\n\n"
        "Wrong:  ftc compile a=1\nRight:  ftc compile\n\n"
        "To suppress it: --ignore no-pain, or `ignore: [no-pain]` in the spec.\n"
    )


def test_an_example_for_another_target_names_it() -> None:
    assert "\nWrong:  ftc compile -t script nodes=2\n" in render(PAGES["FTC507"])
    assert "Applies to -t script only." in render(PAGES["FTC507"])


def test_rule_prints_the_page() -> None:
    said = ftc("rule", "FTC301")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith(
        "FTC301 devices-exceed-node (error): A pod requests at most as many devices as a node has.\n"
    )
    assert "\nWrong:  ftc compile devices=16\nRight:  ftc compile nodes=2 devices=8\n" in said.stdout
    assert ftc("rule", "ftc301") == said
    assert ftc("rule", "devices-exceed-node") == said
    assert ftc("rule", "301") == said


def test_rule_prints_several_pages() -> None:
    one, other = (ftc("rule", name).stdout for name in ("devices-exceed-node", "FTC805"))
    assert ftc("rule", "FTC301", "gang-exceeds-replicas").stdout == f"{one}\n{other}"


def test_rule_finds_rules_by_word() -> None:
    said = ftc("rule", "gang").stdout
    assert "  FTC805  error    gang-exceeds-replicas " in said
    assert "devices-exceed-node" not in said
    assert ftc("rule", "GANG").stdout == said


def test_rule_lists_a_group() -> None:
    head, *rows = ftc("rule", "shell").stdout.splitlines()
    assert head == "shell:"
    assert [row.split()[0] for row in rows] == [rule.code for rule in RULES if rule in GROUPS["shell"]]


def test_an_unknown_word_suggests_the_nearest_name() -> None:
    said = ftc("rule", "gang-exceds-replicas")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "unknown rule or word 'gang-exceds-replicas'; did you mean 'gang-exceeds-replicas'?" in said.stderr


def test_every_rule_has_a_unique_name() -> None:
    names = [*codes.NAMES.values(), *(rule.name for rule in RULES)]
    assert len(set(names)) == len(names)
    assert [name for name in names if len(name) > 50 or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)] == []
    assert codes.NAMES.keys() == codes.TEXTS.keys()


def test_a_rule_is_suppressed_by_its_name() -> None:
    assert "FTC209" in ftc("compile", "storage=per-pod").stderr
    for words in (("ignore=[result-lost-with-pod]",), ("--ignore", "result-lost-with-pod")):
        assert "FTC209" not in ftc("compile", "storage=per-pod", *words).stderr
    assert "FTC014 unknown-suppression" in ftc("compile", "ignore=[result-lost-with-pot]").stderr


def test_rule_lists_every_rule_by_group_with_its_severity_and_a_line() -> None:
    lines = ftc("rule").stdout.splitlines()
    rows = [line.split() for line in lines if line.startswith("  ")]
    assert sorted(row[0] for row in rows) == sorted(pages())
    assert [line for line in lines if line.endswith(":")] == [
        f"{group}:" for group in ("configuration", *GROUPS, "data")
    ]
    said = "FTC303 warning hami-needs-its-scheduler The HAMi scheduler places pods with devices of HAMi."
    assert said.split() in rows


def test_an_unknown_code_suggests_the_nearest_one() -> None:
    said = ftc("rule", "FTC103x")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "unknown code 'FTC103x'; did you mean 'FTC103'?" in said.stderr


def test_the_page_of_half_a_gang_has_the_severity_of_its_example() -> None:
    example = (ROOT / (pages()["FTC806"].wrong or "")).with_suffix(".err").read_text(encoding="utf-8")
    assert f"{pages()['FTC806'].severity.value}[FTC806 " in example
