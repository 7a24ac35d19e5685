"""What LLaMA-Factory would refuse hours later, or do otherwise than was meant, is told before."""

from __future__ import annotations

import json

import msgspec
import pytest
import yaml

from ftc.checks import (
    datasets,
    evaluation,
    methods,
    optimizers,
    ranges,
    reading,
    resuming,
    sharding,
    unread,
)
from ftc.diagnostics.model import Severity
from unit.checks.pairs import Pair, pages, passes, refuses
from unit.checks.training_pairs import AT_ONCE, LATER, PAIRS, SILENT
from unit.compiling import COMMAND, ROOT, compiled, found

FAMILIES = (methods, optimizers, sharding, evaluation, resuming, datasets, reading, ranges, unread)
RULES = tuple(rule for family in FAMILIES for rule in family.RULES)
ALL = [*PAIRS, *pages(RULES)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_training_that_goes_wrong_is_told(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_training_that_goes_right_is_let_through(pair: Pair) -> None:
    passes(pair)


def test_what_the_trainer_fails_at_is_an_error_and_what_it_does_otherwise_a_warning() -> None:
    severity = {rule.code: rule.severity for rule in RULES}
    assert {severity[pair.code] for pair in (*AT_ONCE, *LATER)} == {Severity.ERROR}
    assert {severity[pair.code] for pair in SILENT} == {Severity.WARNING}


def test_every_rule_on_a_training_has_a_pair() -> None:
    assert {pair.code for pair in PAIRS} == {rule.code for rule in RULES}


def test_a_program_of_the_users_is_not_judged() -> None:
    told = found(*COMMAND, "model=qwen3-8b", "model.template=llama3", "dataset=covla-qa-zh")
    assert {d.code for d in told} & {rule.code for rule in RULES} == set()


def test_a_release_that_is_not_known_is_not_judged() -> None:
    told = found("trainer.llamafactory=0.9.99", "train.streaming=true", "train.early_stopping_steps=3")
    assert [d.code for d in told] == ["FTC402"]


def test_a_dataset_that_nobody_reads_is_not_judged() -> None:
    assert found("+dataset.info.other={formatting: unheard}") == ()


def test_the_arguments_of_the_table_are_those_of_a_release() -> None:
    known = set[str]()
    for file in (ROOT / "schemas" / "llamafactory").glob("*[0-9].json"):
        known |= json.loads(file.read_text(encoding="utf-8"))["arguments"].keys()
    for name in {name for row in unread.TABLE for name in row.names}:
        assert any(one.startswith(name) if name.endswith("_") else one == name for one in known), name


def test_a_group_that_other_trainings_share_is_not_called_unread() -> None:
    assert found("method=full-sft") == ()


# Values of the wrong type are another rule's; none of these may fail over them.
WRONG: tuple[object, ...] = ([], {"a": "b"}, None, True, -1, 0, 1.5, "text", [1, {"a": "b"}])
JUDGED = sorted({pair.key.split(".")[-1] for pair in PAIRS if pair.key.startswith("train.")})
MUCH = ("engine=deepspeed-z3", "devices=2", "dataset=covla-qa-zh", "model=qwen2.5-vl-7b-instruct")


@pytest.mark.parametrize("value", WRONG, ids=json.dumps)
def test_no_value_of_an_argument_is_a_bug(value: object) -> None:
    on = dict.fromkeys(("streaming", "load_best_model_at_end", "do_eval", "use_galore"), True)
    state = compiled(*MUCH)
    assert state.spec is not None
    assert state.run is not None
    for name in JUDGED:
        for given in ({name: value}, {**on, name: value}):
            spec = msgspec.structs.replace(state.spec, train=given)
            assert all(one.message for rule in RULES for one in rule.check(spec, state.run)), name


ENTRIES = [
    yaml.safe_load(text)
    for text in (
        "{file_name: a, formatting: [a]}",
        "{file_name: a, formatting: {}, columns: 1, tags: [x]}",
        "{file_name: a, columns: {prompt: [a], images: {}}}",
        "{file_name: 1, tags: {role_tag: null}}",
        "{columns: null, ranking: null}",
        "{file_name: a, ranking: 1, formatting: sharegpt, tags: {}}",
    )
]


@pytest.mark.parametrize("entry", ENTRIES, ids=json.dumps)
@pytest.mark.parametrize("stage", ["pt", "sft", "rm", "ppo", "dpo", "kto"])
def test_no_description_of_a_dataset_is_a_bug(entry: object, stage: str) -> None:
    told = found(f"method.stage={stage}", f"dataset.info.alpaca={json.dumps(entry)}")
    assert any(d.severity is Severity.ERROR for d in told)
