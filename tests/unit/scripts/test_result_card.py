"""result_card.py: a published README.md has the keys that platforms read, and those of the trainer."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
import yaml

from ftc.resources import directory

SCRIPT = directory("scripts") / "result_card.py"
CARD = (
    "pipeline_tag: image-text-to-text\nlibrary_name: transformers\nlicense: apache-2.0\n"
    "base_model: Qwen/Qwen3-0.6B\ndatasets: [tatsu-lab/alpaca]\n"
)
OURS: dict[str, Any] = {
    "pipeline_tag": "image-text-to-text",
    "library_name": "transformers",
    "license": "apache-2.0",
    "base_model": "Qwen/Qwen3-0.6B",
    "datasets": ["tatsu-lab/alpaca"],
    "ftc_run": "20260102-030405-abcdef01",
}
# As LLaMA-Factory 0.9.5 with transformers 5.6.0 writes them in a pod.
FULL = """---
library_name: transformers
license: other
base_model: /workspace/cache/qwen3-0-6b-b68fa1d8/files
tags:
- llama-factory
- full
- generated_from_trainer
model-index:
- name: output
  results: []
---

# output
---
"""
ADAPTER = """---
library_name: peft
license: other
base_model: /workspace/cache/qwen3-0-6b-b68fa1d8/files
tags:
- base_model:adapter:/workspace/cache/qwen3-0-6b-b68fa1d8/files
- llama-factory
- lora
- transformers
pipeline_tag: text-generation
model-index:
- name: output
  results: []
---
# output
"""


def written(page: str | bytes | None, card: str = CARD) -> str:
    content = page.encode() if isinstance(page, str) else page
    made: bytes = runpy.run_path(str(SCRIPT))["completed"](content, card, OURS["ftc_run"])
    return made.decode()


def front(page: str | bytes | None, card: str = CARD) -> Any:
    return yaml.safe_load(written(page, card).split("---")[1])


def test_the_page_of_a_full_training_gets_what_it_lacks() -> None:
    own = {"tags": ["llama-factory", "full", "generated_from_trainer"]}
    assert front(FULL) == {**OURS, **own, "model-index": [{"name": "output", "results": []}]}
    assert written(FULL).endswith("---\n\n# output\n---\n")


def test_the_page_of_an_adapter_keeps_its_task_and_its_library() -> None:
    found = front(ADAPTER, CARD.replace("transformers", "peft"))
    assert (found["library_name"], found["pipeline_tag"]) == ("peft", "text-generation")
    assert found["tags"] == ["llama-factory", "lora", "transformers"]
    assert (found["base_model"], found["license"]) == ("Qwen/Qwen3-0.6B", "apache-2.0")


def test_without_a_license_and_a_name_those_of_the_trainer_are_kept_unless_they_are_paths() -> None:
    found = front(FULL, "pipeline_tag: text-generation\n")
    assert found["license"] == "other"
    assert "base_model" not in found


@pytest.mark.parametrize(
    "line",
    ["license: mit", "base_model: a/b", '"pipeline_tag": any-to-any', "datasets:\n- a/b\n- c/d", "license:  'other'"],
)
def test_a_value_that_someone_chose_is_kept(line: str) -> None:
    found = front(f"---\n# chosen\n{line}\n\n---\ntext")
    assert found == {**OURS, **yaml.safe_load(line)}


def test_the_run_is_this_one() -> None:
    assert front('---\nftc_run: "of an earlier one"\n---\n') == OURS


def test_a_page_without_front_matter_gets_all_and_no_page_a_short_one() -> None:
    assert front("# Ours\n") == front(None) == OURS
    assert written("# Ours\n\n---\n").endswith("---\n\n# Ours\n\n---\n")
    assert "LLaMA-Factory" in written(None)


def test_lines_may_end_as_on_windows_and_begin_with_a_mark() -> None:
    found = written(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert found.count("\n") == found.count("\r\n")
    assert yaml.safe_load(found.split("---")[1])["pipeline_tag"] == OURS["pipeline_tag"]


@pytest.mark.parametrize(
    "page",
    [
        "---\n{license: mit}\n---\n",
        "---\nlicense: mit\n",
        "---\nlicense: mit\nlicense: apache-2.0\n---\n",
        "---\nlicense: mit\n\ttags: a\n---\n",
        "---\n  license: mit\n---\n",
        "---\n- a\n---\n",
        b"---\nlicense: \xff\n---\n",
        "---\na: &a [x]\nb\n---\n",
    ],
)
def test_a_front_matter_that_is_not_understood_stays_as_it_is(page: str | bytes) -> None:
    content = page.encode() if isinstance(page, str) else page
    assert runpy.run_path(str(SCRIPT))["completed"](content, CARD, "1") == content


NUMBERS = '{"rows": 50, "bleu-4": 61.2, "rouge-1": 70.04, "rouge-2": 55.5, "rouge-l": 68.91}'


def test_the_numbers_of_the_evaluation_are_at_the_end_of_the_page() -> None:
    script = runpy.run_path(str(SCRIPT))
    section = script["evaluated"](NUMBERS.encode())
    page = script["completed"](FULL.encode(), CARD, "1", section).decode()
    assert "# output" in page.partition("## Evaluation")[0]
    rows = ["| BLEU-4 | 61.20 |", "| ROUGE-1 | 70.04 |", "| ROUGE-2 | 55.50 |", "| ROUGE-L | 68.91 |"]
    assert page.splitlines()[-4:] == rows
    assert "Answers to 50 held-out rows" in page


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"failed": "it ended with status 1"}',
        NUMBERS.replace("61.2", "NaN"),
        NUMBERS.replace("61.2", '"| a |\\n# Mine"'),
        NUMBERS.replace("50", "1e999"),
        "[" * 100_000,
        "[1]",
    ],
)
def test_an_invalid_evaluation_is_not_in_the_page(content: str) -> None:
    assert runpy.run_path(str(SCRIPT))["evaluated"](content.encode()) == ""
