"""Lint reports the files that compile writes with the rules and messages of compile.

Each rule's wrong example is compiled, and its train.yaml, merge.yaml and dataset_info.json are linted as a user would
have them next to each other.
"""

from __future__ import annotations

import shlex
from functools import cache
from typing import TYPE_CHECKING

import pytest

from ftc.driver import Request, compile_job
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.plan.files import DATASET_INFO, OF_THE_TRAINER
from ftc.rules.catalogue import OF_FILES, ON_TRAININGS
from ftc.spec.job import Trainer
from ftc.trainer import release

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic
    from ftc.rules.rule import Rule
    from ftc.spec.job import JobSpec

RULES = tuple(rule for rule in ON_TRAININGS if rule not in OF_FILES)
# The files do not contain the facts; this list may only shrink.
NOT_IN_THE_FILES = {
    "FTC143": "how many processes train is the launcher's",
    "FTC435": "how many processes train is the launcher's",
    "FTC475": "FSDP is in the file of accelerate",
    "FTC476": "how many processes train is the launcher's",
    "FTC448": "that each run has a new directory is ftc's own promise",
    "FTC207": "restarts are the job's",
    "FTC306": "the chip is the pod's",
    "FTC329": "the chip is the pod's",
    "FTC449": "restarts are the job's",
}
# train.yaml then names the model by its id, as most users write it.
BY_ID = "source@model.source=huggingface-direct"


def compiled(words: str) -> tuple[JobSpec, tuple[Diagnostic, ...], dict[str, bytes]]:
    state = compile_job(Request(tuple(shlex.split(words))))
    assert state.spec is not None
    assert state.run is not None
    names = (*OF_THE_TRAINER, DATASET_INFO)
    return state.spec, state.diagnostics, {f.name: f.text.encode() for f in state.run.files if f.name in names}


def by_id(words: str) -> str:
    """The example with a model that the trainer downloads, which names its repository."""
    spec = compiled(words)[0]
    assert spec.model is not None
    return f"{words} {BY_ID} model.source.repository={spec.model.id}"


def linted(spec: JobSpec, files: dict[str, bytes]) -> set[tuple[str, str]]:
    pair = release.pair(spec.trainer)
    assert pair is not None
    versions = Versions(kubernetes_versions()[-1], volcano_versions()[-1], Trainer(*pair.split("+")))
    return {(d.code, d.message) for d in lint(list(files.items()), versions)}


def examples(rule: Rule) -> tuple[str, str]:
    wrong, right = (rule.check.__doc__ or "").partition("Wrong: ")[2].split("Right: ")
    return " ".join(wrong.split()), " ".join(right.split())


@cache
def found(code: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The findings of compile and lint for a rule's wrong example."""
    rule = next(rule for rule in RULES if rule.code == code)
    spec, told, files = compiled(by_id(examples(rule)[0]))
    return {(d.code, d.message) for d in told if d.code == code}, {one for one in linted(spec, files) if one[0] == code}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_lint_reports_the_wrong_example_with_the_same_message(rule: Rule) -> None:
    by_compile, by_lint = found(rule.code)
    assert by_compile
    assert by_lint == (set() if rule.code in NOT_IN_THE_FILES else by_compile)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_lint_is_silent_on_the_right_example(rule: Rule) -> None:
    spec, _, files = compiled(by_id(examples(rule)[1]))
    assert linted(spec, files) == set()


def test_few_rules_are_not_in_the_files() -> None:
    alike = [rule.code for rule in RULES if rule.code not in NOT_IN_THE_FILES]
    assert len(RULES) >= 61
    assert len(alike) >= 55
