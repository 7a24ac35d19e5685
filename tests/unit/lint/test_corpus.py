"""tests/corpus: a wrong and a similar right manifest for each rule."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.diagnostics import page
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.rules.catalogue import OF_FILES, ON_MANIFESTS, ONLY_ON_MANIFESTS
from golden import cases

if TYPE_CHECKING:
    from pathlib import Path

# The rules whose examples are files.
RULES = (*ON_MANIFESTS, *OF_FILES)
BAD = sorted((cases.CORPUS / "bad").glob("*.yaml"))
GOOD = sorted((cases.CORPUS / "good").glob("*.yaml"))
NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])


def code_of(file: Path) -> str:
    return file.name.partition("-")[0]


def found(file: Path) -> dict[str, str]:
    return {d.code: d.message for d in lint([(file.name, file.read_bytes())], NEWEST)}


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_wrong_manifest_has_the_recorded_findings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases.ROOT)
    said = cases.lint(file)
    assert f"[{code_of(file)} " in said
    assert said == file.with_suffix(".err").read_text()


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_a_right_manifest_passes(file: Path) -> None:
    assert found(file) == {}


def test_each_rule_has_both_manifests() -> None:
    codes = {rule.code for rule in RULES}
    assert codes <= {code_of(file) for file in BAD}
    assert codes <= {code_of(file) for file in GOOD}


def test_codes_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", [*ONLY_ON_MANIFESTS, *OF_FILES], ids=lambda rule: rule.code)
def test_a_page_is_complete(rule: object) -> None:
    assert hasattr(rule, "check")
    text = inspect.getdoc(rule.check) or ""
    read = page.read(rule.code, text)  # type: ignore[attr-defined] # asserted above
    assert read.title.endswith(".")
    assert read.source
    assert read.wrong is not None
    assert read.right is not None
    assert re.fullmatch(rf"tests/corpus/bad/{rule.code}-[\w-]+\.yaml", read.wrong)  # type: ignore[attr-defined] # the same
    assert (cases.ROOT / read.wrong).is_file()
    assert (cases.ROOT / read.right).is_file()


def test_a_page_shows_the_manifest_and_the_difference_of_the_right_one() -> None:
    said = CliRunner().invoke(cli, ["rule", "FTC860"]).stdout
    wrong, _, right = said.partition("\nRight:\n")
    assert "\nWrong:\n\n    apiVersion: batch.volcano.sh/v1alpha1\n    kind: Job\n" in wrong
    assert "\n                  memory: 4Gi\n                limits:\n" in wrong
    assert "-              memory: 4Gi\n   +              memory: 2048Mi\n" in right
    assert "tests/corpus" not in said


def test_a_page_shows_all_documents_of_a_manifest() -> None:
    said = CliRunner().invoke(cli, ["rule", "FTC859"]).stdout
    assert "\n    ---\n" in said
