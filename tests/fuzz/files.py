"""Inputs of the commands that read data, models and workspaces: untrusted files, and names of any letters."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from fuzz.mutators import LIKELY, TEXTS, VALUES, WORDS, mutate, mutated_text

if TYPE_CHECKING:
    import random

_ROWS: tuple[dict[str, Any], ...] = (
    {"instruction": "a", "input": "", "output": "b", "history": [["c", "d"]]},
    {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "tools": "[]"},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": []}]},
    {"instruction": "a<image>", "output": "b", "images": ["x.png"], "kto": True},
    {"text": "a"},
)
_ENTRIES: tuple[dict[str, Any], ...] = (
    {},
    {"formatting": "sharegpt", "columns": {"messages": "conversations", "tools": "tools"}},
    {"columns": {"prompt": "instruction", "response": "output", "images": "images", "kto_tag": "kto"}},
    {"columns": {"prompt": "text"}, "split": "train[:50%]", "num_samples": 3},
    {"ranking": True, "columns": {"prompt": "instruction", "chosen": "output", "rejected": "input"}},
    {"formatting": "openai", "columns": {"messages": "messages"}, "tags": {"role_tag": "role", "user_tag": "user"}},
)
_MODEL = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "quantization_config": None,
    "text_config": None,
    "layer_types": [],
    "num_experts": None,
}
_ADDRESSES = ("pvc://runs/a/merged", "hf://team/support", "hf://team/support:main", "s3://models/support", "pvc:/", "a")
_NAMES = ("run-a", "run b", "-x", "\n::error::", "\x1b[31m", "é", "..", ".", "x" * 200, "cache/a", "a.ftc-tmp.removed")


def dataset(rng: random.Random) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """A dataset with changed rows and a changed description, checked or described."""
    ending = rng.choice(["jsonl", "jsonl", "json", "csv", "txt", "parquet"])
    rows = [mutate(json.loads(json.dumps(rng.choice(_ROWS))), rng) for _ in range(rng.randint(1, 6))]
    data = _rows(rng, rows, ending)
    entry = {**rng.choice(_ENTRIES), "file_name": f"d.{ending}"}
    about: Any = {rng.choice(["a", "b\n", "-c"]): entry}
    for _ in range(rng.choice([0, 0, 1, 3])):
        about = mutate(about, rng)
    files = {f"data/d.{ending}": data, "data/dataset_info.json": _json(about)}
    words = rng.choice([("check", "data"), ("check", "data"), ("check", "data", "--json"), ("card", "data")])
    words = rng.choice([words, ("check", f"data/d.{ending}"), ("check", "data", "--stage", rng.choice(["pt", "rm"]))])
    return ("dataset", *words), files


def _rows(rng: random.Random, rows: list[Any], ending: str) -> bytes:
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    if ending == "json":
        text = json.dumps(rows, indent=rng.choice([None, 1]))
    if ending == "csv":
        text = "instruction,input,output\n" + "".join(f"{rng.choice(TEXTS)},{rng.choice(WORDS)},b\n" for _ in rows)
    return mutated_text(text, rng) if rng.random() < 0.6 else text.encode("utf-8", "surrogatepass")


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def model(rng: random.Random) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """A directory with a changed config.json, and weights by a header or an index."""
    config: Any = dict(_MODEL)
    for _ in range(rng.choice([0, 1, 2])):
        config[rng.choice([*_MODEL, "vision_config", "auto_map", "head_dim"])] = rng.choice(VALUES)
    header: Any = {"a.weight": {"dtype": "BF16", "shape": [4, 4]}, "__metadata__": {}}
    header = mutate(header, rng) if rng.random() < 0.5 else header
    text = _json(header)
    size = rng.choice([len(text), len(text), len(text), 0, 2**63, len(text) - 1])
    files = {"m/config.json": mutated_text(json.dumps(config), rng) if rng.random() < 0.3 else _json(config)}
    if rng.random() < 0.7:
        files["m/model.safetensors"] = struct.pack("<Q", size) + text
    if rng.random() < 0.4:
        index = {"weight_map": {"a.weight": "model.safetensors"}, "metadata": {"total_size": 64}}
        files["m/model.safetensors.index.json"] = _json(mutate(index, rng))
    words = rng.sample(["--template=qwen3", f"--id={rng.choice(_NAMES)}", "--name=x", "parameters=9"], k=2)
    return ("model", "add", "m", *words, *([rng.choice(TEXTS)] if rng.random() < 0.1 else [])), files


def inference(rng: random.Random, key: str) -> tuple[str, ...]:
    """An address with odd parts, and an override."""
    address = rng.choice(_ADDRESSES)
    if rng.random() < 0.5:
        at = rng.randrange(len(address) + 1)
        address = address[:at] + rng.choice([*WORDS, "?", "#", "@", "%2e", ":", "//", " "]) + address[at:]
    more = (f"{key}={rng.choice([*LIKELY, *TEXTS])}",) if rng.random() < 0.6 else ()
    return ("inference", "--", address.replace("\0", ""), *more)


def workspace(rng: random.Random) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """Runs, sources and directories of the user with odd names, listed or removed."""
    files: dict[str, bytes] = {"w/notes/keep": b""}
    for _ in range(rng.randint(1, 4)):
        name = rng.choice([one for one in _NAMES if one not in (".", "..")])
        kind = rng.choice(["train.done", "spec.yaml", "files/train.yaml", "output/a", "files/a", "run.lock"])
        files[f"w/{name}/{kind}"] = rng.choice([b"", b"run: run-a\n", rng.randbytes(30)])
        if kind == "files/a":
            files[f"w/{name}/.ftc-revision"] = b"1\n"
    words = [rng.choice([*_NAMES, "", "notes", "w"]) for _ in range(rng.choice([0, 1, 1, 2]))]
    flags = [one for one in ("--yes", "--json") if rng.random() < 0.4]
    return ("clean", *flags, "--", "w", *words), files
