"""Count the weights of a model's directory from the headers of its safetensors files, or from their index.

A header has the type and the shape of each tensor (https://huggingface.co/docs/safetensors); no weight is read.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.checkpoint.files import Problem, Wrong, decoded, read_object, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ftc.spec.base import Json

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors")
_LENGTH = 8
_LARGEST_HEADER = 16 << 20  # that of a file with 100,000 tensors has 10 MiB
_MOST_TENSORS = 500_000
_MOST_DIMENSIONS = 8
_MOST_FILES = 4096
_MOST = 10**13
# Parts of tensor names, in any model of transformers or of LLaMA-Factory's table.
_TOWER = (
    "visual.",
    "vision_",
    "mlp1.",
    "multi_modal_projector.",
    "audio_",
    "resampler.",
    "vpm.",
    "apm.",
    "embed_audio.",
)
_OUTPUT = ("lm_head.weight", "output.weight")
_QK_NORM = (".q_norm.", ".k_norm.", ".q_layernorm.", ".query_layernorm.")
# Tensors of a quantized checkpoint that are not weights (GPTQ, AWQ, bitsandbytes, FP8, MXFP4).
_NO_WEIGHTS = (
    *(".qzeros", ".scales", ".g_idx", "_scale", "_scale_inv", "_scales", ".absmax", ".quant_map", ".nested_absmax"),
    *(".nested_quant_map", ".SCB", ".weight_format", ".quant_state.bitsandbytes__nf4"),
)
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}
_BITS = 8


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The number of weights, those of towers, and facts that the names show; None if unknown."""

    parameters: int | None
    tower: int | None
    output: int | None
    has_output: bool | None
    has_qk_norm: bool | None
    source: str


def read(directory: Path, bits: int | None) -> Weights | list[Problem]:
    """The weights in the headers of the files, else the total in the index; `bits` of quantized ones are packed."""
    names: list[str] = [SINGLE]
    try:
        names = _files(directory)
        if names and all((directory / name).is_file() for name in names):
            return _counted(_of_headers(directory, names, bits), names)
        if names:
            return _of_index(read_object(directory, INDEX))
    except Wrong as wrong:
        return [wrong.problem]
    except OSError as error:
        return [Problem(names[0], "", f"cannot be read: {error.strerror or error}")]
    return Weights(parameters=None, tower=None, output=None, has_output=None, has_qk_norm=None, source="")


def _files(directory: Path) -> list[str]:
    """The names of the files that the index lists, or of the only one."""
    if not (directory / INDEX).exists():
        return [SINGLE] if (directory / SINGLE).exists() else []
    place = read_object(directory, INDEX).get("weight_map")
    if not isinstance(place, dict) or not place:
        raise Wrong(INDEX, "lacks weight_map")
    names = sorted({str(name) for name in place.values()})
    for name in names:
        if not _NAME.fullmatch(name):
            raise Wrong(INDEX, f"weight_map: {shown(name)} is not the name of a safetensors file in the same directory")
    if len(names) > _MOST_FILES:
        raise Wrong(INDEX, f"names {len(names)} files, more than {_MOST_FILES}")
    return names


def _header(directory: Path, name: str) -> Json:
    """The tensors that a file's header lists."""
    with (directory / name).open("rb") as file:
        start = file.read(_LENGTH)
        if start.startswith(b"version "):
            raise Wrong(name, "is a pointer of git-lfs, not the file", "run git lfs pull")
        size = struct.unpack("<Q", start)[0] if len(start) == _LENGTH else 0
        if not 0 < size <= _LARGEST_HEADER:
            raise Wrong(name, "does not start with the header of a safetensors file")
        found = decoded(name, file.read(size), "the header")
    found.pop("__metadata__", None)
    return found


def _of_headers(directory: Path, names: list[str], bits: int | None) -> dict[str, int]:
    """The weights of each tensor of all files."""
    sizes: dict[str, int] = {}
    for name in names:
        sizes |= _sizes(name, _header(directory, name), bits)
        if len(sizes) > _MOST_TENSORS:
            raise Wrong(name, f"with the files before it has more than {_MOST_TENSORS:,} tensors")
    return sizes


def _sizes(file: str, tensors: Mapping[str, Any], bits: int | None) -> dict[str, int]:
    """The weights of each tensor of a file."""
    try:
        return {name: _size(name, tensor, bits) for name, tensor in tensors.items() if not name.endswith(_NO_WEIGHTS)}
    except ValueError as error:
        raise Wrong(file, f"the header: {error}") from None


def _counted(sizes: Mapping[str, int], files: list[str]) -> Weights:
    source = f"the headers of {files[0] if len(files) == 1 else f'{len(files)} files'}"
    total = sum(sizes.values())
    if not 0 < total <= _MOST:
        raise Wrong(files[0] if len(files) == 1 else INDEX, f"{source} have {total} weights, which cannot be right")
    return Weights(
        parameters=total,
        tower=sum(size for name, size in sizes.items() if any(part in name for part in _TOWER)),
        output=sum(size for name, size in sizes.items() if name.endswith(_OUTPUT)),
        has_output=any(name.endswith(_OUTPUT) for name in sizes),
        has_qk_norm=any(part in name for name in sizes for part in _QK_NORM),
        source=source,
    )


def _size(name: str, tensor: Any, bits: int | None) -> int:
    """The weights of a tensor; several quantized ones are packed into an integer."""
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if (
        not isinstance(shape, list)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(n) is int and 0 <= n <= _MOST for n in shape)
    ):
        message = f"{shown(name)} has the shape {shown(shape)}"
        raise ValueError(message)
    count, kind = math.prod(shape), tensor.get("dtype")
    packed = name.endswith((".qweight", "_blocks")) or (kind == "U8" and name.endswith(".weight"))
    if packed and bits and isinstance(kind, str) and kind in _BYTES:
        return count * _BYTES[kind] * _BITS // bits
    return count


def _of_index(index: Json) -> Weights:
    """The total of the index; the files are not there, so the type of the weights is taken as 16 bits."""
    names, total = index["weight_map"], index.get("metadata")
    total = total if isinstance(total, dict) else {}
    count, size = total.get("total_parameters"), total.get("total_size")
    if type(count) is not int:
        is_number = isinstance(size, int) or (isinstance(size, float) and math.isfinite(size))
        count = int(size or 0) // 2 if is_number else 0
    if not 0 < count <= _MOST:
        raise Wrong(INDEX, f"metadata: total_size is {shown(size)}, and the files are not in the directory")
    return Weights(
        parameters=count,
        tower=0 if not any(part in name for name in names for part in _TOWER) else None,
        output=None,
        has_output=any(str(name).endswith(_OUTPUT) for name in names),
        has_qk_norm=any(part in str(name) for name in names for part in _QK_NORM),
        source=f"total_size of {INDEX}, at 16 bits",
    )


def found_files(directory: Path) -> Iterator[str]:
    """Files with weights in formats whose weights ftc does not count."""
    for pattern in ("*.bin", "*.pt", "*.gguf"):
        yield from sorted(file.name for file in directory.glob(pattern))[:1]
