"""The commands of the documentation and of the READMEs print what the pages show."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from docs.compare import differences
from docs.page import needs
from docs.pages import DOCS, complaints, pages
from docs.session import ROOT


def _by_name() -> list[object]:
    """One test for a page in all its languages, so that the same commands run once."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in pages():
        name = Path(*file.relative_to(DOCS).parts[1:]) if file.is_relative_to(DOCS) else file.relative_to(ROOT)
        found[str(name)].append(file)
    return [
        pytest.param(files, id=name, marks=pytest.mark.e2e if "trainer" in needs(files[0]) else ())
        for name, files in found.items()
    ]


@pytest.mark.parametrize("files", _by_name())
def test_the_commands_of_a_page_print_what_it_shows(files: list[Path]) -> None:
    found = "\n".join(filter(None, map(differences, files)))
    assert not found, f"{found}\n`make docs-output` rewrites the outputs without `…`"


@pytest.mark.parametrize("file", [file for file in pages() if file.is_relative_to(DOCS)], ids=str)
def test_what_can_run_is_run(file: Path) -> None:
    assert list(complaints(file)) == []


@pytest.mark.parametrize("file", pages(), ids=str)
def test_an_override_keeps_its_quotes_if_it_is_pasted_into_a_shell(file: Path) -> None:
    # The shell removes the outer quotes of key="a,b", and Hydra then reads several values.
    assert re.findall(r'`[a-z_.]+="[^`"]*,[^`"]*"`', file.read_text(encoding="utf-8")) == []
