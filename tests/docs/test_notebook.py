"""The notebook of the documentation runs from the first cell to the last, and its results show themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOK = ROOT / "docs" / "en" / "guides" / "notebook.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells with code, after they ran in an empty directory."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call] # its stubs lack this function
    here: Path = tmp_path_factory.mktemp("notebook")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(here)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(cells: list[Any], code: str) -> list[Any]:
    (found,) = (cell.outputs for cell in cells if code in cell.source)
    return list(found)


def test_the_committed_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call] # its stubs lack this function
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)


@pytest.mark.parametrize("code", ["ftc.plan(*run)", "made = ftc.compile", "ftc.diff(", "ftc.explain(", "ftc.lint("])
def test_a_result_shows_itself(cells: list[Any], code: str) -> None:
    (shown,) = outputs(cells, code)
    assert 'class="ftc"' in shown.data["text/html"]


def test_an_error_shows_its_findings_and_no_traceback(cells: list[Any]) -> None:
    (shown,) = outputs(cells, "hardwear=")
    said = "\n".join(shown.traceback)
    assert shown.output_type == "error"
    assert "FTC012 invalid-value" in said
    assert "help: did you mean 'hardware'?" in said
    assert "site-packages" not in said
    assert "Traceback" not in said


def test_lint_finds_the_mistake_of_the_text(cells: list[Any]) -> None:
    (shown,) = outputs(cells, "ftc.lint(")
    assert "FTC510 resources-contradict-devices-or-limits" in shown.data["text/html"]


def test_the_other_cells_print(cells: list[Any]) -> None:
    assert "16 processes" in outputs(cells, "memory = ")[0].text
    assert len("".join(one.text for one in outputs(cells, "for method, engine")).splitlines()) == 3
    assert "'volcano.yaml'" in outputs(cells, "made.write")[0].data["text/plain"]
