"""The rules of compile: a pair for each, an error golden for each that refuses, and unique codes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS
from unit.compiling import ROOT


def test_every_rule_has_a_pair() -> None:
    here = walk_packages([str(Path(__file__).parent)], "unit.rules.")
    families = (import_module(found.name) for found in here if not found.ispkg)
    pairs = [pair for family in families for pair in getattr(family, "PAIRS", ())]
    assert {rule.code for rule in OF_SPECS} - {code for code, *_ in pairs} == set()


def test_every_rule_that_refuses_has_an_error_golden() -> None:
    files = [*(ROOT / "golden" / "errors").glob("*.err"), *(ROOT / "tests" / "corpus" / "bad").glob("*.err")]
    told = "".join(file.read_text(encoding="utf-8") for file in files)
    refusing = {rule.code for rule in OF_SPECS if rule.severity is Severity.ERROR}
    assert {code for code in refusing if f"error[{code} " not in told} == set()


def test_each_code_belongs_to_one_rule() -> None:
    codes = [rule.code for rule in OF_SPECS]
    assert len(codes) == len(set(codes))
