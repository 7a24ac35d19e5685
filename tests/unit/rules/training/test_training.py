"""Compile reports trainings that LLaMA-Factory would refuse later, or run differently than intended."""

from __future__ import annotations

import json
import math
import shlex

import msgspec
import pytest
import yaml

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS, ON_TRAININGS
from ftc.rules.rule import in_words, judge
from ftc.rules.training import from_spec, ineffective_arguments
from ftc.trainer import release
from unit.compiling import COMMAND, ROOT, compiled, found
from unit.rules.pairs import Pair, pages, passes, refuses
from unit.rules.training.pairs import AT_ONCE, FULL, LATER, PAIRS, SILENT

RULES = tuple(rule for rule in OF_SPECS if rule in ON_TRAININGS)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_wrong_training_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_valid_training_passes(pair: Pair) -> None:
    passes(pair)


def test_failures_are_errors_and_unintended_results_are_warnings() -> None:
    severity = {rule.code: rule.severity for rule in RULES}
    assert {severity[pair.code] for pair in (*AT_ONCE, *LATER)} == {Severity.ERROR}
    errors = {pair.code for pair in SILENT if severity[pair.code] is Severity.ERROR}
    assert errors == {"FTC207"}, "a restart that begins at step 0 loses what was trained"


def test_every_rule_on_a_training_has_a_pair() -> None:
    assert {pair.code for pair in PAIRS} == {rule.code for rule in RULES}


def test_a_program_of_the_user_is_not_checked() -> None:
    told = found(*COMMAND, "model=qwen3-8b", "model.template=llama3", "dataset=covla-qa-zh")
    assert {d.code for d in told} & {rule.code for rule in RULES} == set()


def test_an_unknown_release_is_not_checked() -> None:
    told = found("trainer.llamafactory=0.9.99", "train.streaming=true", "train.early_stopping_steps=3")
    assert [d.code for d in told if d.code.startswith("FTC4")] == ["FTC402"]


@pytest.mark.parametrize(
    ("method", "code", "option"),
    [
        ("lora-dpo", "FTC453", "dataset=dpo-mix-en"),
        ("lora-rm", "FTC453", "dataset=dpo-mix-en"),
        ("lora-kto", "FTC454", "dataset=kto-mix-15k"),
    ],
)
def test_the_help_names_a_shipped_dataset_that_fits_the_stage(method: str, code: str, option: str) -> None:
    (one,) = [one for one in found(f"method={method}") if one.code == code]
    assert option in one.help
    assert not {"FTC453", "FTC454"} & {one.code for one in found(f"method={method}", option)}


@pytest.mark.parametrize(
    ("habit", "argument"),
    [("lr", "learning_rate"), ("epochs", "num_train_epochs"), ("max_seq_length", "cutoff_len")],
)
def test_the_help_knows_the_words_of_other_programs(habit: str, argument: str) -> None:
    (one,) = [one for one in found(f"train.{habit}=1") if one.code == "FTC404"]
    assert one.help == f"did you mean '{argument}'?"


def test_an_unused_dataset_is_not_checked() -> None:
    assert found("+dataset.info.other={formatting: unheard}") == ()


def test_the_arguments_of_the_table_exist_in_a_release() -> None:
    known = set[str]()
    for file in (ROOT / "schemas" / "llamafactory").glob("*[0-9].json"):
        known |= json.loads(file.read_text(encoding="utf-8"))["arguments"].keys()
    for name in {name for row in ineffective_arguments.TABLE for name in row.names}:
        assert any(one.startswith(name) if name.endswith("_") else one == name for one in known), name


def test_arguments_of_a_shared_group_are_not_reported_as_ineffective() -> None:
    assert found("method=full-sft") == ()


# Another rule reports values of the wrong type; these rules must not crash on them.
WRONG: tuple[object, ...] = ([], {"a": "b"}, None, True, -1, 0, 1.5, math.inf, math.nan, "text", [1, {"a": "b"}])
JUDGED = sorted(release.arguments(release.pairs()[-1])["train"])
MUCH = ("engine=deepspeed-z3", "devices=2", "dataset=covla-qa-zh", "model=qwen2.5-vl-7b-instruct")


@pytest.mark.parametrize("value", WRONG, ids=json.dumps)
def test_odd_values_of_arguments_do_not_crash(value: object) -> None:
    on: dict[str, object] = dict.fromkeys(("streaming", "load_best_model_at_end", "do_eval", "use_galore"), True)
    on["quantization_bit"] = 4
    state = compiled(*MUCH)
    assert state.spec is not None
    assert state.run is not None
    for name in JUDGED:
        for given in ({name: value}, {**on, name: value}):
            spec = msgspec.structs.replace(state.spec, train=given)
            for subject in from_spec.subjects(spec):
                for _, one in judge(RULES, subject):
                    assert one.message, name
                    assert from_spec.place(spec, subject, one.where), name
                    assert isinstance(in_words(one.help, from_spec.say), str), name


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
def test_odd_dataset_descriptions_do_not_crash(entry: object, stage: str) -> None:
    told = found(f"method.stage={stage}", f"dataset.info.alpaca={json.dumps(entry)}")
    assert any(d.severity is Severity.ERROR for d in told)


LLAMA = "model=custom model.id=meta-llama/Meta-Llama-3-8B-Instruct model.template=llama3"
SHARED = "train.lr_scheduler_type=cosine train.warmup_ratio=0.1 train.dataloader_num_workers=4 train.max_samples=1000"
PAIRWISE = "{file_name: d.json, ranking: true, formatting: sharegpt, columns: {messages: m, chosen: c, rejected: r}}"
LIKED = (
    "{file_name: k.json, formatting: sharegpt, columns: {messages: m, kto_tag: l}, tags: {role_tag: r, content_tag: c,\
 user_tag: user, assistant_tag: assistant}}"
)
SEEN = (
    "{file_name: m.json, formatting: sharegpt, columns: {messages: m, images: i}, tags: {role_tag: r, content_tag: c,\
 user_tag: user, assistant_tag: assistant}}"
)
NO_MERGE = "method.merge=null"
# The examples of LLaMA-Factory 0.9.5 (examples/train_*, examples/extras), by subject.
EXAMPLES = {
    "lora dpo": f"method.stage=dpo train.pref_beta=0.1 train.pref_loss=sigmoid dataset.info.alpaca='{PAIRWISE}'",
    "lora kto": f"method.stage=kto train.pref_beta=0.1 dataset.info.alpaca='{LIKED}'",
    "lora reward": f"method.stage=rm dataset.info.alpaca='{PAIRWISE}'",
    "lora pretrain": "method.stage=pt dataset.info.alpaca='{file_name: c.jsonl, columns: {prompt: text}}'",
    "preprocess": "train.tokenized_path=saves/tokenized",
    "vision": f"model=qwen2.5-vl-7b-instruct train.image_max_pixels=262144 dataset.info.alpaca='{SEEN}'",
    "vision full": f"model=qwen2.5-vl-7b-instruct {FULL} hardware=h800 train.freeze_vision_tower=true devices=8\
 engine=deepspeed-z3 dataset.info.alpaca='{SEEN}'",
    "zero 3": f"{LLAMA} devices=8 engine=deepspeed-z3",
    "qlora on the fly": "train.quantization_bit=4 train.quantization_method=bnb train.double_quantization=false",
    "qlora of awq": f"{LLAMA} train.lora_target=all",
    "fsdp qlora": f"{LLAMA} launcher=accelerate engine=fsdp2 devices=2 train.quantization_bit=4",
    "adam mini": f"{FULL} train.use_adam_mini=true",
    "muon": f"{FULL} train.use_muon=true",
    "badam": f"{FULL} train.use_badam=true train.badam_mode=layer train.badam_switch_interval=50",
    "llama pro": f"method.finetuning_type=freeze {NO_MERGE} train.use_llama_pro=true train.freeze_trainable_layers=8",
    "loraplus": f"{LLAMA} train.loraplus_lr_ratio=16.0",
    "mixture of depths": f"{FULL} train.mixture_of_depths=convert train.optim=paged_adamw_8bit train.pure_bf16=true",
    "oft": f"{LLAMA} method.finetuning_type=oft {NO_MERGE} train.oft_block_size=32 train.oft_target=all",
    "pissa": f"{LLAMA} train.pissa_init=true train.pissa_iter=16 train.pissa_convert=true",
    "dft": f"{FULL} train.use_dft_loss=true",
    "eaft": f"{FULL} train.use_eaft_loss=true",
    "asft": f"{FULL} train.use_asft_loss=true train.asft_alpha=0.05",
    "predict": "train.do_predict=true train.predict_with_generate=true train.eval_dataset=alpaca",
    "galore": f"{FULL} train.use_galore=true train.galore_layerwise=true train.gradient_accumulation_steps=1",
    "apollo": f"{FULL} train.use_apollo=true train.apollo_layerwise=true train.gradient_accumulation_steps=1",
}
# These fail as shipped, because they do not support the default optimizer of transformers 5.
FAILING = {"galore", "apollo"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_trainer_passes(name: str) -> None:
    small = ("hardware.device.memory_mib=null",)
    told = {d.code for d in found(*small, *shlex.split(f"{SHARED} {EXAMPLES[name]}"))} & {rule.code for rule in RULES}
    assert told == ({"FTC432"} if name in FAILING else set())


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_failing_example_passes_once_it_is_fixed(name: str) -> None:
    told = found(*shlex.split(f"{SHARED} {EXAMPLES[name]} train.optim=adamw_torch"))
    assert {d.code for d in told} & {rule.code for rule in RULES} == set()
