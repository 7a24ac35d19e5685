"""The datasets of a run fit into one dataset_info.json and one directory of media."""

from __future__ import annotations

import pytest

from ftc.diagnostics.model import Severity, dotted
from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses, split

OURS = "'dataset=[alpaca,custom]' dataset.more.custom.id=team/rows"
VISION = "model=qwen2.5-vl-7b-instruct"
TALKS = "formatting: sharegpt, columns: {messages: messages, images: images}"
HERE = "source@dataset.source=path dataset.source.path=/workspace/a"
TEST = (
    "+dataset@dataset.evaluation.test=custom source@dataset.evaluation.test.source=path "
    "dataset.evaluation.test.source.path=/workspace/a"
)
PAIRS = (
    Pair(
        "FTC271",
        f"{OURS} dataset.more.custom.info.alpaca.script_url=.",
        f"{OURS} dataset.more.custom.info.rows.script_url=.",
        "dataset.more.custom.info",
    ),
    Pair(
        "FTC271",
        f"dataset=custom {HERE} dataset.names=[a] {TEST} dataset.evaluation.test.info.a.file_name=b.jsonl",
        f"dataset=custom {HERE} dataset.names=[a] {TEST} dataset.evaluation.test.names=[a]",
        "dataset.evaluation.test.info",
    ),
    Pair(
        "FTC272",
        f"{VISION} 'dataset=[covla-qa-zh,custom]' dataset.more.custom.id=team/rows "
        f"'dataset.more.custom.info={{rows: {{script_url: ., {TALKS}}}}}'",
        f"{VISION} 'dataset=[covla-qa-zh,custom]' dataset.more.custom.id=AlayaNeW/QA_from_CoVLA_zh "
        f"'dataset.more.custom.info={{rows: {{script_url: ., {TALKS}}}}}'",
        "dataset.more.custom.info",
    ),
)
ALL = (*PAIRS, *pages(PAIRS))


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_datasets_that_do_not_fit_together_are_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_datasets_that_fit_together_pass(pair: Pair) -> None:
    passes(pair)


NAMED = f"{TEST} dataset.evaluation.test.names=[b] dataset.evaluation.test.info.a.file_name=a"


@pytest.mark.parametrize(
    ("code", "overrides", "key"),
    [
        ("FTC453", f"{OURS} 'dataset.more.custom.info={{a: {{script_url: ., ranking: true}}}}'", "more.custom.info.a"),
        ("FTC451", f"{OURS} 'dataset.more.custom.info={{a: {{file_name: a.zip}}}}'", "more.custom.info.a"),
        ("FTC450", NAMED, "evaluation.test.names"),
        ("FTC406", f"{OURS} dataset.more.custom.info.a.script_url=. dataset.more.custom.names=[b]", "more.custom."),
        ("FTC011", OURS, "more.custom.names"),
        ("FTC228", f"{TEST} dataset.evaluation.test.names=[a] dataset.evaluation.test.source.path=/d", "evaluation"),
        ("FTC012", f"{OURS} dataset.more.custom.id=a/b/c dataset.more.custom.names=[a]", "more.custom.source"),
    ],
)
def test_each_dataset_is_judged(code: str, overrides: str, key: str) -> None:
    told = found(*split(overrides))
    assert [d for d in told if d.code == code and dotted(d.path).startswith(f"dataset.{key}")], told


def test_an_entry_of_the_sources_own_file_is_unknown_and_the_others_are_judged() -> None:
    overrides = f"dataset=custom {HERE} dataset.names=[mine] {TEST} 'dataset.evaluation.test.info={{b: {{split: a}}}}'"
    assert [d.code for d in found(*split(overrides)) if d.severity is Severity.ERROR] == ["FTC451"]
