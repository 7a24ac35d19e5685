"""Lint reports a fact of an emitted manifest by the rule of compile: the same code, name and message.

The wrong example of each rule on a pod or a job is compiled, its manifest is emitted in spite of the error, and linted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from ftc.driver import Request, compile_job
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.plan.build import plan
from ftc.rules.catalogue import ON_PODS
from ftc.targets import TARGETS, bound
from unit.rules.pairs import page, split

if TYPE_CHECKING:
    from ftc.rules.rule import Rule

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
# Rule, then the codes that lint reports for its example, with the reason. The list may only shrink.
OTHERS: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("other_codes.yaml").read_text())


@cache
def both(rule: Rule, maker: str = "ftc") -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The codes and messages that compile and lint report for the wrong example, as if `maker` had emitted it."""
    target = TARGETS[(rule.targets or ("volcano",))[0]]
    state = compile_job(Request(tuple(split(page(rule).wrong)), targets=(target.name,)))
    told = {(one.code, one.message) for one in state.diagnostics}
    if state.spec is None:  # the schema refuses it, too
        return told, set()
    run = plan(state.spec)
    text = target.text(bound(run, (target.name,)).get(target.name, run))
    text = text.replace("app.kubernetes.io/managed-by: ftc", f"app.kubernetes.io/managed-by: {maker}")
    return told, {(one.code, one.message) for one in lint([("job.yaml", text.encode())], NEWEST)}


@pytest.mark.parametrize("rule", [rule for rule in ON_PODS if rule.in_manifests], ids=lambda rule: rule.code)
def test_a_fact_has_one_code_and_one_message(rule: Rule) -> None:
    compiled, linted = both(rule, "another")  # lint does not judge the scheduler of a job that ftc emitted
    of_rule = {one for one in linted if one[0] == rule.code}
    assert of_rule
    assert of_rule <= compiled


@pytest.mark.parametrize("rule", ON_PODS, ids=lambda rule: rule.code)
def test_lint_reports_nothing_else(rule: Rule) -> None:
    compiled, linted = both(rule)
    assert {code for code, _ in linted - compiled} - {rule.code} == OTHERS.get(rule.code, {}).keys()
