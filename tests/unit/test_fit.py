"""`ftc fit` lists what fits: each row compiles without a finding on memory, and nothing cheaper was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftc.diagnostics.model import Severity
from unit.compiling import found, ftc

MEMORY = {"FTC701", "FTC702", "FTC703"}
ENGINES = ["ddp", "deepspeed-z2", "deepspeed-z3", "fsdp2", "deepspeed-z3-offload"]


def rows(*overrides: str, most: int = 4) -> list[dict[str, Any]]:
    said = ftc("fit", *overrides, "--most", str(most), "--format", "json")
    assert said.exit_code == 0, said
    listed: list[dict[str, Any]] = json.loads(said.stdout)
    return listed


def problems(*overrides: str) -> list[str]:
    return [d.code for d in found(*overrides) if d.code in MEMORY or d.severity is Severity.ERROR]


RUNS = (
    ("model=qwen3-0.6b",),
    ("model=qwen3-8b", "method=full-sft"),
    ("model=qwen3-8b", "method=full-dpo", "dataset=dpo-mix-en", "hardware=h800"),
    ("model=qwen3-32b", "method=qlora-sft", "hardware=a100-80gb"),
    ("model=llama-3.1-70b-instruct", "hardware=h800", "model.source.token.secret=hf"),
    ("model=gpt-oss-20b", "hardware=h800", "train.cutoff_len=8192"),
    ("model=qwen2.5-vl-7b-instruct", "hardware=ascend", "engine=deepspeed-z2", "launcher=torchrun"),
    ("model=qwen3.5-35b-a3b", "nodes=2", "hardware=h100", "storage=shared"),
)


@pytest.mark.parametrize("run", RUNS, ids=" ".join)
def test_each_row_compiles_without_a_finding_on_memory(run: tuple[str, ...]) -> None:
    listed = rows(*run)
    assert listed
    for row in listed:
        assert problems(*run, *row["overrides"]) == [], row


@pytest.mark.parametrize("run", RUNS, ids=" ".join)
def test_the_cheapest_is_first(run: tuple[str, ...]) -> None:
    """The fewest devices, then the smallest device, then the simplest engine."""
    costs = [
        (
            row["nodes"] * row["devices"],
            row["device_mib"],
            ENGINES.index(row["engine"]) if row["engine"] in ENGINES else 0,
        )
        for row in rows(*run)
    ]
    assert costs == sorted(costs)


def test_nothing_cheaper_fits() -> None:
    """All weights of 8 billion with AdamW are 122 GiB of states, so one device of 80 GB never suffices."""
    run = ("model=qwen3-8b", "method=full-sft", "hardware=h800")
    first = rows(*run, most=1)[0]
    assert first["devices"] == 2
    smallest = ("train.per_device_train_batch_size=1", "train.cutoff_len=512")
    assert problems(*run, "devices=1", *smallest) == ["FTC702"]


def test_the_batch_is_the_largest_that_fits() -> None:
    run = ("model=qwen3-8b", "hardware=l40s")
    row = rows(*run, most=1)[0]
    larger = [
        f"train.per_device_train_batch_size={2 * row['batch']}" if "device_train_batch" in word else word
        for word in row["overrides"]
    ]
    assert problems(*run, *larger) == ["FTC702"]


def test_what_the_user_sets_stays() -> None:
    run = ("model=qwen3-8b", "hardware=h800", "devices=2", "engine=deepspeed-z3", "launcher=torchrun")
    (row,) = rows(*run, "train.cutoff_len=1024", "train.per_device_train_batch_size=1")
    assert (row["devices"], row["batch"], row["length"], row["engine"]) == (2, 1, 1024, "as given")
    assert row["overrides"] == ["train.gradient_accumulation_steps=8"]


def test_the_sequences_of_a_step_stay() -> None:
    """Two per device and eight steps are 16 sequences on one device."""
    for row in rows("model=qwen3-8b", "method=full-sft", "hardware=h800", most=20):
        steps = next(word for word in row["overrides"] if "accumulation" in word).partition("=")[2]
        assert row["batch"] * int(steps) * row["devices"] == 16


def test_the_table_has_the_words_of_each_row() -> None:
    said = ftc("fit", "model=qwen3-8b", "hardware=l40s", "--most", "1")
    head, line = said.stdout.splitlines()
    assert head.split() == ["devices", "hardware", "GiB", "engine", "batch", "length", "needs", "overrides"]
    assert line.split()[:5] == ["1", "l40s", "45", "ddp", "4"]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (("method=oft-sft",), "oft tuning in stage sft is not covered"),
        (("model=custom", "model.id=a/b", "model.template=qwen3"), "model.architecture is not given"),
        (("model=nope",), "'nope' is not an option of model"),
        (("model=llama-3.1-70b-instruct", "method=full-sft", "hardware=t4"), "nothing fits"),
        (("hardware=nvidia",), "is not known: set hardware.device.memory_mib=…, name other hardware, or leave out"),
        (("hardware=cpu",), "does not have a device whose memory could be estimated: name other hardware, or leave"),
    ],
)
def test_why_a_row_is_missing(run: tuple[str, ...], words: str) -> None:
    said = ftc("fit", *run)
    assert said.exit_code == 1
    assert words in said.stderr
    assert said.stdout == ""
