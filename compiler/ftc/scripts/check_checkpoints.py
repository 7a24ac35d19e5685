"""check_checkpoints.py [last]: keep in output/ only checkpoints from which a training can resume."""

# At every restart the trainer resumes from the checkpoint with the highest step, even if it is incomplete. This script
# moves incomplete ones to incomplete/; `last` only prints the name of the last complete one. Only rank 0 calls it,
# before it trains: the processes of the other nodes start later, because they wait for rank 0 at the rendezvous.

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

OUTPUT = Path("output")
ASIDE = Path("incomplete")
_NAME = re.compile(r"checkpoint-(\d+)")  # transformers, trainer_utils.py, get_last_checkpoint

# transformers, trainer.py, _load_from_checkpoint; LLaMA-Factory calls them CHECKPOINT_NAMES.
_WEIGHTS = re.compile(r"(pytorch_model\.bin|model\.safetensors)(\.index\.json)?|adapter_model\.(bin|safetensors)")
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}(\.\w+)")
_FSDP = re.compile(r"(pytorch_model_fsdp|optimizer)_\d+")
# Files that torch.save writes.
_TORCH = re.compile(r"(pytorch_model|adapter_model|value_head|optimizer|training_args).*\.bin|.*\.(pt|pth)")
_PROGRESS = re.compile(r"scheduler\.pt|scaler\.pt|rng_state(_\d+)?\.pth")
_OPTIMIZER = re.compile(r"optimizer(_\d+)?\.(pt|bin)|rank\d+-of-\d+-optimizer\.pt")
_ZERO = re.compile(r"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_\d+_(optim|model)_states\.pt")
_MAX_HEADER = 100_000_000  # safetensors, tensor.rs


class IncompleteError(Exception):
    """Why a checkpoint is not complete."""


def flaw(checkpoint: Path) -> str | None:
    """Why a checkpoint is incomplete; None if it is complete. Only names, headers and sizes are read."""
    try:
        _require(not checkpoint.is_symlink(), "it is a link")
        _check(checkpoint, sorted(_files(checkpoint)))
    except IncompleteError as reason:
        return str(reason)
    return None


def _files(directory: Path, prefix: str = "") -> list[str]:
    """The names of all files below a directory; links are not followed."""
    found = []
    for entry in os.scandir(directory):
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            found += _files(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            found.append(name)
        else:
            raise IncompleteError(f"{name} is a link or not a regular file")
    return found


def _check(checkpoint: Path, files: list[str]) -> None:
    _require("trainer_state.json" in files, "trainer_state.json is missing")  # the trainer writes it last
    # The save after a signal writes this file first and removes it last (transformers, trainer_jit_checkpoint.py).
    _require("checkpoint-is-incomplete.txt" not in files, "the trainer was stopped while it saved")
    for name in files:
        _check_file(checkpoint, name)
    _require(isinstance(_json(checkpoint / "trainer_state.json"), dict), "trainer_state.json is not an object")
    _check_shards(checkpoint, files)
    tags = {name.split("/")[0] for name in files if re.match(r"global_step\d+/", name)}
    if tags:
        _check_deepspeed(checkpoint, files, tags)
    sharded = {found[0] for found in map(_FSDP.match, files) if found and f"{found[0]}/" in found.string}
    for directory in sorted(sharded):
        _check_distributed(checkpoint / directory)
    _check_optimizer([name for name in files if "/" not in name], sharded, tags)
    adapters = [name.partition("/")[2] or name for name in files]
    fsdp = any("pytorch_model_fsdp" in name for name in files)
    _require(tags or fsdp or any(map(_WEIGHTS.fullmatch, adapters)), "the weights are missing")


def _require(right: object, reason: str) -> None:
    if not right:
        raise IncompleteError(reason)


def _check_file(checkpoint: Path, name: str) -> None:
    file = checkpoint / name
    if file.suffix == ".json":
        _json(file)
    elif file.suffix == ".safetensors":
        tensors = _safetensors(file)
        # LLaMA-Factory moves the value head to its file after the trainer wrote the state (train/callbacks.py).
        split = file.stem == "value_head" or not any(each.startswith("v_head.summary.") for each in tensors)
        _require(split, f"the value head is still in {name}")
    elif _TORCH.fullmatch(file.name):
        _check_zip(file)


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise IncompleteError(f"{file.name} is not valid JSON") from None


def _safetensors(file: Path) -> dict[str, Any]:
    """The tensors of a file; its size must match its header."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        _require(0 < length < min(size, _MAX_HEADER), f"{file.name} is cut short")
        header = stream.read(length)
    try:
        tensors: dict[str, Any] = json.loads(header)
        ends = [each["data_offsets"][1] for name, each in tensors.items() if name != "__metadata__"]
        whole = size == 8 + length + max(ends, default=0)
    except (ValueError, RecursionError, TypeError, KeyError, IndexError, AttributeError):
        raise IncompleteError(f"the header of {file.name} cannot be read") from None
    _require(whole, f"{file.name} has {size} bytes, but its header states {8 + length + max(ends, default=0)}")
    return tensors


def _check_zip(file: Path) -> None:
    """torch.save writes a zip file, whose directory is at the end."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, struct.error):
        raise IncompleteError(f"{file.name} is cut short") from None
    _require(names, f"{file.name} is empty")


def _check_shards(checkpoint: Path, files: list[str]) -> None:
    """The index must name every shard, and every named shard must exist."""
    for index in (name for name in files if name.endswith(".index.json")):
        content = _json(checkpoint / index)
        shards = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(shards, dict):
            raise IncompleteError(f"{index} lacks weight_map")
        for shard in sorted(set(map(str, shards.values()))):
            _require(shard in files, f"{shard}, which {index} names, is missing")
    for name in files:
        found = _SHARD.fullmatch(name)
        if found and _WEIGHTS.fullmatch(found[1] + found[2]):
            _require(f"{found[1]}{found[2]}.index.json" in files, f"the index of {name} is missing")


def _check_deepspeed(checkpoint: Path, files: list[str], tags: set[str]) -> None:
    """`latest` names the directory, in which each rank writes its part (deepspeed, runtime/engine.py)."""
    _require("latest" in files, "DeepSpeed's file latest is missing")
    latest = (checkpoint / "latest").read_text(encoding="utf-8", errors="replace").strip()
    _require(latest in tags, f"the directory {latest}, which DeepSpeed's file latest names, is missing")
    names = [name.split("/")[1] for name in files if name.startswith(f"{latest}/")]
    _require(any(name.endswith("_model_states.pt") for name in names), f"{latest} lacks the weights")
    ranks: dict[str, set[int]] = {"optim": set(), "model": set()}
    for found in filter(None, map(_ZERO.fullmatch, names)):
        ranks[found[2]].add(int(found[1]))
    processes = sum(name.startswith("rng_state_") for name in files)
    for kind in (kind for kind, have in ranks.items() if have):
        count = max(processes, *(1 + max(have) for have in ranks.values() if have))
        missing = sorted(set(range(count)) - ranks[kind])
        _require(not missing, f"{latest} lacks {kind}_states of rank {missing[:1]}")


def _check_distributed(directory: Path) -> None:
    """The files that `.metadata` names exist and have at least the recorded length (torch, distributed/checkpoint)."""
    _require((directory / ".metadata").is_file(), f"{directory.name}/.metadata is missing")
    for name, size in _extents(directory / ".metadata").items():
        file = directory / name
        _require(file.is_file(), f"{directory.name}/{name} is missing")
        _require(file.stat().st_size >= size, f"{directory.name}/{name} is cut short")


class _Stub:
    """Replaces every class in a pickle, so that no code of the pickle runs."""

    def __init__(self, *_arguments: object) -> None:
        """Accept any arguments."""

    def __setstate__(self, state: object) -> None:
        """Keep the fields; some classes have another form of state."""
        if isinstance(state, dict):
            vars(self).update(state)

    def __setitem__(self, _key: object, _value: object) -> None:
        """Ignore the items of an OrderedDict."""


class _Reader(pickle.Unpickler):
    def find_class(self, _module: str, _name: str) -> type[_Stub]:
        """Never import what a pickle names."""
        return _Stub


def _extents(metadata: Path) -> dict[str, int]:
    """The minimum length of each file."""
    found: dict[str, int] = {}
    try:
        with metadata.open("rb") as stream:
            parts = vars(_Reader(stream).load())["storage_data"]
        for part in map(vars, parts.values()):
            name = str(part["relative_path"])
            found[name] = max(found.get(name, 0), part["offset"] + part["length"])
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise IncompleteError(f"{metadata.parent.name}/.metadata cannot be read") from None
    return found


def _check_optimizer(files: list[str], sharded: set[str], tags: set[str]) -> None:
    """A checkpoint with progress needs an optimizer: with save_only_model the trainer writes neither."""
    optimizer = any(map(_OPTIMIZER.fullmatch, files)) or any(name.startswith("optimizer_") for name in sharded)
    progress = any(map(_PROGRESS.fullmatch, files))
    _require(optimizer or tags or not progress, "the optimizer is missing")
    # Without it the trainer would ignore the optimizer too.
    _require(not optimizer or "scheduler.pt" in files, "scheduler.pt is missing")


def checkpoints() -> list[Path]:
    """The checkpoints that the trainer finds, in order of steps."""
    if OUTPUT.is_symlink():
        sys.exit("ftc: error: output is a link: a run must write into its own directory")
    found = [(place, _NAME.fullmatch(place.name)) for place in OUTPUT.glob("checkpoint-*") if place.is_dir()]
    return [place for _, place in sorted((int(name[1]), place) for place, name in found if name)]


def settled() -> bool:
    """Whether the trainer can resume from every checkpoint that it finds."""
    found = checkpoints()
    try:
        return not any(map(flaw, found)) and (bool(found) or not _has_result())
    except FileNotFoundError:  # the first process moves it aside at this moment
        return False


def _has_result() -> bool:
    """Whether output/ has a model, which LLaMA-Factory overwrites only if there is a checkpoint (hparams/parser.py)."""
    return any(_WEIGHTS.fullmatch(place.name) for place in OUTPUT.glob("*"))


def settle() -> None:
    """Move incomplete checkpoints aside. The newest one is kept if another checkpoint still fits on the volume."""
    found = checkpoints()
    flaws = [(place, reason) for place, reason in ((place, flaw(place)) for place in found) if reason]
    room = max((_size(place) for place in found if not place.is_symlink()), default=0)
    for place, reason in flaws:
        _set_aside(place, reason)
    if len(flaws) == len(found) and _has_result():
        _set_aside(OUTPUT, "it has a model but no checkpoint: the training was stopped while it wrote its result")
    if ASIDE.is_dir() and shutil.disk_usage(".").free < room:
        sys.stdout.write(f"ftc: removing {ASIDE}: the next checkpoint would not fit on the volume\n")
        _empty()


def _set_aside(place: Path, reason: str) -> None:
    _empty()
    ASIDE.mkdir()
    sys.stdout.write(f"ftc: {place} is incomplete: {reason}; it is moved to {ASIDE / place.name}\n")
    place.rename(ASIDE / place.name)


def _empty() -> None:
    if ASIDE.is_symlink() or ASIDE.is_file():
        ASIDE.unlink()
    elif ASIDE.exists():
        shutil.rmtree(ASIDE)


def _size(directory: Path) -> int:
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(directory) for name in names)


def last() -> Path | None:
    """The checkpoint from which a restart would resume."""
    return next((place for place in reversed(checkpoints()) if flaw(place) is None), None)


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["last"]:
            sys.stdout.write(f"{last() or ''}\n")
        else:
            settle()
    except OSError as error:  # an error of the volume: move no checkpoint
        sys.exit(f"ftc: error: cannot read the checkpoints: {error}")
