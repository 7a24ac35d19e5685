"""The rules on images: what each is for, and the nearest right configuration."""

from __future__ import annotations

import pytest

from ftc.checks.image import RULES
from ftc.diagnostics.model import Severity
from unit.compiling import COMMAND, found, ftc

OURS = "image=registry.example.com/team/llamafactory:1.0"
# The code of a rule, a configuration that it is against, one beside it that is right, and the key that it speaks of.
PAIRS = (
    ("FTC410", (*COMMAND, OURS), ("launcher=torchrun", OURS), "launcher"),
    ("FTC411", ("hardware.build=null", OURS), ("hardware=ascend", OURS), "hardware.build"),
    ("FTC411", ("hardware=ascend-910a", OURS), ("hardware=ascend-910c", OURS), "hardware.build"),
    ("FTC412", ("trainer.transformers=5.2.0", OURS), ("trainer.transformers=5.6.0", OURS), "trainer"),
    (
        "FTC412",
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.0", OURS),
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1", OURS),
        "trainer",
    ),
    ("FTC413", (), (OURS,), "image"),
    ("FTC413", ("hardware=ascend",), ("hardware=ascend", "image=hiyouga/llamafactory:0.9.5"), "image"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]} {' '.join(pair[1])[:40]}")
def test_a_rule_refuses_what_it_is_for_and_lets_its_neighbour_pass(
    pair: tuple[str, tuple[str, ...], tuple[str, ...], str],
) -> None:
    code, wrong, right, key = pair
    told = [d for d in found(*wrong, targets=("image",)) if d.code == code]
    assert [".".join(map(str, d.path)) for d in told] == [key]
    assert all(d.position and d.help for d in told)
    beside = found(*right, targets=("image",))
    assert code not in {d.code for d in beside}
    assert [d for d in beside if d.severity is Severity.ERROR] == []


def test_every_rule_has_a_pair_here() -> None:
    assert {code for code, *_ in PAIRS} == {rule.code for rule in RULES}


def test_the_pairs_that_can_be_built_are_named() -> None:
    said = ftc("compile", "-t", "image", "trainer.transformers=5.2.0").stderr
    assert "0.9.3 with transformers 4.51.1, 0.9.5 with transformers 5.6.0" in said.rpartition("help: use one of")[2]


def test_a_published_image_is_a_warning_and_the_dockerfile_is_printed() -> None:
    said = ftc("compile", "-t", "image")
    assert said.exit_code == 0
    assert "warning[FTC413]" in said.stderr
    assert "FROM " in said.stdout


@pytest.mark.parametrize("wrong", ["hardware.build=null", "trainer.transformers=5.2.0"])
def test_other_targets_do_not_care(wrong: str) -> None:
    assert not [d for d in found(wrong) if d.code.startswith("FTC41")]
