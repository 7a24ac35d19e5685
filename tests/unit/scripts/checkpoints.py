"""Checkpoints like the trainer's, of a few bytes each."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class StorageInfo:
    """Torch's record of the place of a part of a tensor (distributed/checkpoint/filesystem.py)."""

    relative_path: str
    offset: int
    length: int


@dataclass
class Metadata:
    """Torch's description of a directory of parts."""

    storage_data: dict[str, StorageInfo]


def safetensors(**tensors: int) -> bytes:
    """A file with tensors of these sizes in bytes."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, size in tensors.items():
        header[name.replace("__", ".")] = {"dtype": "U8", "shape": [size], "data_offsets": [end, end + size]}  # type: ignore[dict-item]
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


STATE = {"trainer_state.json": b'{"epoch": 1.0, "global_step": 10, "loss": NaN}'}
PROGRESS = {"scheduler.pt": b"zip", "rng_state.pth": b"zip", "training_args.bin": b"zip"}
ADAPTER = {"adapter_config.json": b'{"r": 8}', "adapter_model.safetensors": safetensors(a=16, b=16)}
WHOLE = {"config.json": b"{}", "model.safetensors": safetensors(a=16)}
INDEX = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})
SHARDS = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": safetensors(a=8),
    "model-00002-of-00002.safetensors": safetensors(b=8),
    "model.safetensors.index.json": INDEX.encode(),
}
RANKS = {"rng_state_0.pth": b"zip", "rng_state_1.pth": b"zip"}
PARTS = {"__0_0.distcp": 40, "__1_0.distcp": 24}


def distributed(directory: str) -> dict[str, bytes]:
    """A directory that several ranks have written."""
    places = {
        f"{name}-{n}": StorageInfo(name, n * size // 2, size // 2) for name, size in PARTS.items() for n in (0, 1)
    }
    files = {f"{directory}/{name}": bytes(size) for name, size in PARTS.items()}
    return {**files, f"{directory}/.metadata": pickle.dumps(Metadata(places))}


KINDS = {
    "lora": STATE | PROGRESS | ADAPTER | {"optimizer.pt": b"zip"},
    "full": STATE | PROGRESS | WHOLE | {"optimizer.pt": b"zip"},
    "shards": STATE | PROGRESS | SHARDS | {"optimizer.pt": b"zip"},
    "bin": STATE | PROGRESS | {"config.json": b"{}", "pytorch_model.bin": b"zip", "optimizer.pt": b"zip"},
    "lora-bin": STATE | PROGRESS | {"adapter_model.bin": b"zip", "optimizer.pt": b"zip"},
    "model-only": STATE | ADAPTER | {"training_args.bin": b"zip"},
    "reward": STATE | PROGRESS | ADAPTER | {"value_head.safetensors": safetensors(v_head__summary__bias=4)}
    | {"optimizer.pt": b"zip"},
    "z2": STATE | RANKS | ADAPTER
    | {"latest": b"global_step10", "global_step10/mp_rank_00_model_states.pt": b"zip", "zero_to_fp32.py": b"#"}
    | {f"global_step10/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt": b"zip" for rank in (0, 1)},
    "z3": STATE | RANKS | {"latest": b"global_step10"}
    | {f"global_step10/zero_pp_rank_{rank}_mp_rank_00_model_states.pt": b"zip" for rank in (0, 1)}
    | {f"global_step10/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt": b"zip" for rank in (0, 1)},
    "fsdp": STATE | RANKS | WHOLE | {"scheduler.pt": b"zip", "pytorch_model_fsdp.bin": b"zip", "optimizer.bin": b"zip"},
    "fsdp-sharded": STATE | RANKS | {"scheduler.pt": b"zip"} | distributed("pytorch_model_fsdp_0")
    | distributed("optimizer_0"),
}  # fmt: skip
# Optional files: the trainer does not need them to resume, or reports itself that they are missing.
SPARE = ("training_args.bin", "rng_state", "zero_to_fp32.py", "config.json", "adapter_config.json", "value_head")


def write(checkpoint: Path, files: dict[str, bytes]) -> Path:
    """Write the files; those that torch.save writes are zip files."""
    for name, content in files.items():
        place = checkpoint / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if content == b"zip":
            with zipfile.ZipFile(place, "w") as archive:
                archive.writestr("archive/data.pkl", bytes(100))
        else:
            place.write_bytes(content)
    return checkpoint
