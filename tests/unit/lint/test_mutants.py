"""A defect, seeded into a manifest of each common style, gives a finding that the original does not have.

The originals have one known defect, a ReadWriteOnce claim on several nodes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from ftc.diagnostics.model import Diagnostic, Severity
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions

HERE = Path(__file__).parent
NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])


class Mutant(msgspec.Struct, frozen=True):
    """A replacement, the expected code, and its line relative to the replacement; None: anywhere."""

    old: str
    new: str
    code: str
    line: int | None = 0


MUTANTS = msgspec.convert(yaml.safe_load((HERE / "mutants.yaml").read_text()), dict[str, dict[str, Mutant]])
CASES = [(base, name) for base, mutants in MUTANTS.items() for name in mutants]


def original(base: str) -> str:
    return (HERE / "bases" / f"{base}.yaml").read_text()


def judged(text: str) -> tuple[Diagnostic, ...]:
    return lint([("m.yaml", text.encode())], NEWEST)


@pytest.mark.parametrize("base", MUTANTS)
def test_the_original_has_only_its_known_defect(base: str) -> None:
    assert {d.code for d in judged(original(base)) if d.severity is not Severity.NOTE} == {"FTC852"}


@pytest.mark.parametrize(("base", "name"), CASES, ids=[f"{base}: {name}" for base, name in CASES])
def test_a_seeded_defect_is_reported_at_its_place(base: str, name: str) -> None:
    text, mutant = original(base), MUTANTS[base][name]
    assert text.count(mutant.old) == 1, "the original has it once"
    before = {(d.code, d.message) for d in judged(text)}
    new = [d for d in judged(text.replace(mutant.old, mutant.new)) if (d.code, d.message) not in before]
    assert mutant.code in {d.code for d in new}, new
    if mutant.line is not None:
        line = text[: text.index(mutant.old)].count("\n") + 1 + mutant.line
        assert line in {d.position.line for d in new if d.code == mutant.code and d.position}, new
