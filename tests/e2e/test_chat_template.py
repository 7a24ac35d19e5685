"""A result whose chat template differs from the training is found; one that is equal is not."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from e2e.trainer_environment import HERE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

SINGLE: list[dict[str, Any]] = [
    {"instruction": "who are you", "input": "", "output": 'I am "Tiny": a model, 模型。', "history": [], "system": ""},
    {"instruction": "  count\n\nto 3 ", "input": "now", "output": "1\n2\n3", "history": [], "system": ""},
]
SEVERAL: list[dict[str, Any]] = [
    *SINGLE,
    {
        "instruction": "and you?",
        "input": "",
        "output": "me too",
        "history": [["hi", "hello"], ["a", "b"]],
        "system": "",
    },
]
WITH_SYSTEM = [*SEVERAL, {**SEVERAL[2], "system": "You answer in one word."}]

# The chat templates of the models' hubs, without their tools.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'"
    " + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud."
    " You are a helpful assistant.<|im_end|>\n' }}{% endif %}" + CHATML
)
LLAMA3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}"
    "{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI4 = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] }}"
    "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
DEEPSEEK3 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '<\uff5cUser\uff5c>' + message['content'] }}"
    "{% else %}{{ '<\uff5cAssistant\uff5c>' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<\uff5cAssistant\uff5c>' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + '[/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}"
    "{% if message['role'] == 'assistant' %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
GLM4 = (
    "[gMASK]<sop>{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
GRANITE3 = (
    "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content']"
    " + '<|end_of_text|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)


class Case(NamedTuple):
    """A template of LLaMA-Factory, the model's chat template and special tokens, and what a user changed after that."""

    template: str
    hub: str
    special: tuple[str, ...]
    stops: tuple[str, ...]
    rows: list[dict[str, Any]] = WITH_SYSTEM
    bos: str | None = None
    eos: str = ""
    changed: tuple[str, str] | None = None
    kind: str = ""
    writes: bool = False
    train: dict[str, Any] | None = None

    def question(self) -> dict[str, Any]:
        """The case for the environment of the trainer."""
        return {
            "template": self.template,
            "base_template": self.hub,
            "result_template": self.hub.replace(*self.changed) if self.changed else None,
            "special": ["<pad>", *self.special],
            "names": {"pad_token": "<pad>", "eos_token": self.eos or self.stops[0]}
            | ({"bos_token": self.bos} if self.bos else {}),
            "rows": self.rows,
            "stops": self.stops,
            "writes": self.writes,
            "train": self.train or {},
        }


OF_CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>")
OF_LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")
OF_GLM4 = ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>", "<|endoftext|>")
EQUAL = (
    Case("qwen", QWEN, OF_CHATML, ("<|im_end|>", "<|endoftext|>")),
    Case("qwen3", CHATML, OF_CHATML, ("<|im_end|>", "<|endoftext|>"), SINGLE),
    Case("llama3", LLAMA3, OF_LLAMA3, ("<|eot_id|>", "<|eom_id|>"), bos="<|begin_of_text|>"),
    Case(
        "gemma2",
        GEMMA2,
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        ("<eos>", "<end_of_turn>"),
        SEVERAL,
        "<bos>",
    ),
    Case("phi4", PHI4, ("<|im_start|>", "<|im_end|>", "<|im_sep|>"), ("<|im_end|>",)),
    Case(
        "deepseek3", DEEPSEEK3, ("<b>", "</s>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"), ("</s>",), bos="<b>"
    ),
    Case("mistral", MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), ("</s>",), SEVERAL, bos="<s>"),
)
DIFFERENT = (
    # another role, a default system message that only the training has, no prefix, another end, no newline
    Case(
        "yi",
        CHATML,
        OF_CHATML,
        ("<|im_end|>",),
        changed=("message['role'] +", "message['role'].replace('user', 'human') +"),
        kind="prompt",
    ),
    Case("zephyr", ZEPHYR, ("<|user|>", "<|assistant|>", "<|system|>", "</s>"), ("</s>",), SINGLE, kind="prompt"),
    Case("glm4", GLM4, OF_GLM4, ("<|endoftext|>", "<|user|>"), changed=("[gMASK]<sop>", ""), kind="prompt"),
    Case(
        "granite3",
        GRANITE3,
        ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>", "<|other|>"),
        ("<|other|>",),
        eos="<|end_of_text|>",
        kind="stop",
    ),
    Case("smollm", CHATML, OF_CHATML, ("<|im_end|>",), changed=("assistant\n", "assistant"), kind="prompt"),
)


def verdicts(trainer: Path, *cases: Case) -> list[dict[str, Any]]:
    """The verdicts, from the environment of the trainer."""
    command = [str(trainer / "bin/python"), "-m", "e2e.trainer.chat_templates"]
    variables = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    asked = json.dumps([case.question() for case in cases])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    assert max(answer["seconds"] for answer in answers) < 10
    return answers


def test_seven_equal_templates_are_equal_and_five_changed_ones_are_found(trainer: Path) -> None:
    answers = verdicts(trainer, *EQUAL, *DIFFERENT)
    found = {case.template: one["verdict"] for case, one in zip((*EQUAL, *DIFFERENT), answers, strict=True)}
    wrong = {name: one for name, one in found.items() if one["verdict"] != "equal"}
    assert set(wrong) == {case.template for case in DIFFERENT}, wrong
    assert {name: one["differences"][0]["kind"] for name, one in wrong.items()} == {
        case.template: case.kind for case in DIFFERENT
    }
    assert wrong["granite3"]["differences"][0]["training"] == "<|end_of_text|>"
    assert wrong["granite3"]["differences"][0]["result"] == ["<|other|>"]


def test_on_request_the_template_and_the_end_of_the_training_are_written(trainer: Path) -> None:
    several = Case(
        "qwen3", CHATML, OF_CHATML, ("<|im_end|>",), SEVERAL
    )  # the training adds empty thoughts to each turn
    quiet = Case("qwen3", CHATML, OF_CHATML, ("<|im_end|>",), SINGLE, train={"enable_thinking": False})
    gemma = EQUAL[3]._replace(
        changed=("'user'", "'user'"), rows=WITH_SYSTEM
    )  # the hub's template refuses a system message
    cases = [case._replace(writes=True) for case in (*DIFFERENT, several, quiet, gemma)]
    for case, answer in zip(cases, verdicts(trainer, *cases), strict=True):
        assert answer["verdict"]["verdict"] == answer["again"] == "equal", (case.template, answer["verdict"])
        assert answer["verdict"]["written"]
        assert (answer["template"] == case.hub) == (case.kind == "stop")  # a template that is equal keeps its tools


def test_a_model_that_was_trained_without_thoughts_says_which_request_is_equal(trainer: Path) -> None:
    thinks = (
        "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}"
        "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    )
    case = Case("qwen3", CHATML + thinks, OF_CHATML, ("<|im_end|>",), SINGLE, train={"enable_thinking": False})
    (answer,) = verdicts(trainer, case)
    assert answer["verdict"]["verdict"] == "different"
    assert answer["verdict"]["equal_without_thinking"]
