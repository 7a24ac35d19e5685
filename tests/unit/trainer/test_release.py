"""Every pair of versions states every fact; a missing fact is an error that names it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftc.spec.job import Trainer
from ftc.trainer import release
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = ROOT / "schemas" / "llamafactory"
FACTS = [field.name for field in msgspec.structs.fields(release.Facts)]
# From the sources of the two releases; `Facts` names the files.
OLD = {
    "has_flash_attention_3": False,
    "flash_attention_2_crashes": False,
    "image_transformers": "4.51.1",
    "neat_packing_needs_batch_size_1": False,
    "rejects_neat_packing": False,
    "split_special_tokens_needs_slow_tokenizer": True,
    "generation_needs_eval_dataset": True,
    "ppo_needs_another_trl": "",
    "reads_logging_dir": True,
    "warmup_ratio_replaces_steps": False,
    "reads_yaml_with_omegaconf": False,
    "image_packages": ("deepspeed", "liger-kernel", "metrics"),
}
# 0.9.4 reads YAML and limits PPO like 0.9.5, but its tokenizers and transformers are those of 0.9.3.
BETWEEN = OLD | {
    "generation_needs_eval_dataset": False,
    "ppo_needs_another_trl": "0.9.6",
    "reads_yaml_with_omegaconf": True,
    "image_packages": ("deepspeed", "metrics"),
}
NEW = {
    "has_flash_attention_3": False,
    "flash_attention_2_crashes": True,
    "image_transformers": "5.5.4",
    "neat_packing_needs_batch_size_1": True,
    "rejects_neat_packing": False,
    "split_special_tokens_needs_slow_tokenizer": False,
    "generation_needs_eval_dataset": False,
    "ppo_needs_another_trl": "0.9.6",
    "reads_logging_dir": False,
    "warmup_ratio_replaces_steps": True,
    "reads_yaml_with_omegaconf": True,
    "image_packages": ("deepspeed", "metrics"),
}


@pytest.mark.parametrize("pair", release.pairs())
def test_every_pair_states_every_fact(pair: str) -> None:
    stated = json.loads((SCHEMAS / f"{pair}.facts.json").read_bytes())
    assert sorted(stated) == sorted(FACTS)
    assert json.loads(msgspec.json.encode(release.facts(pair))) == stated


@pytest.mark.parametrize("missing", FACTS)
def test_a_missing_fact_is_an_error_that_names_it(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llamafactory").mkdir()
    pair = release.pairs()[-1]
    stated = json.loads((SCHEMAS / f"{pair}.facts.json").read_bytes())
    stated.pop(missing)
    (tmp_path / "llamafactory" / f"{pair}.facts.json").write_text(json.dumps(stated))
    monkeypatch.setattr(release, "directory", lambda _: tmp_path)
    release.facts.cache_clear()
    with pytest.raises(ValueError, match=missing):
        release.facts(pair)
    release.facts.cache_clear()


@pytest.mark.parametrize(
    ("pair", "known"),
    [
        ("0.9.3+4.51.1", OLD),
        ("0.9.4+4.51.1", BETWEEN),
        ("0.9.4+4.57.1", BETWEEN | {"image_transformers": "4.57.1", "rejects_neat_packing": True}),
        ("0.9.5+5.6.0", NEW),
        ("0.9.5+5.5.4", NEW | {"flash_attention_2_crashes": False}),
    ],
)
def test_the_facts_are_those_of_the_sources(pair: str, known: dict[str, object]) -> None:
    stated = msgspec.to_builtins(release.facts(pair))
    assert {name: stated[name] for name in known} == known


def test_a_pair_without_schemas_is_estimated_by_one_of_its_major_version() -> None:
    assert release.nearest(Trainer("0.9.5", "5.6.0")) == "0.9.5+5.6.0"
    assert release.nearest(Trainer("0.9.5", "4.57.1")) == "0.9.4+4.57.1"
    assert release.nearest(Trainer("0.9.5", "5.2.0")) == "0.9.5+5.6.0"
    assert release.nearest(Trainer("1.0.0", "6.0.0")) == "0.9.5+5.6.0"
