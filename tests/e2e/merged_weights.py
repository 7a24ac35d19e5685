"""Print how far MERGED is from BASE plus its adapters: `python merged_weights.py BASE MERGED ADAPTER...`.

It runs in the trainer's environment, and prints the largest difference of a weight, and the largest change by each
adapter. The formula is LoRA's: W + alpha / r * B A (https://arxiv.org/abs/2106.09685, section 4.1).
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

# Imported dynamically, because type checkers run without this package.
safetensors: Any = importlib.import_module("safetensors.torch")
PREFIX, A, B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def changes(adapter: Path) -> dict[str, Any]:
    """The change of each weight by an adapter."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    factors = safetensors.load_file(adapter / "adapter_model.safetensors")
    names = [name.removesuffix(A) for name in factors if name.endswith(A)]
    scale = config["lora_alpha"] / config["r"]
    return {f"{n.removeprefix(PREFIX)}.weight": scale * factors[n + B] @ factors[n + A] for n in names}


def main(base: Path, merged: Path, *adapters: Path) -> None:
    """Compare each weight that an adapter changes."""
    before, after = (safetensors.load_file(directory / "model.safetensors") for directory in (base, merged))
    added = [changes(adapter) for adapter in adapters]
    rest = {name: after[name] - before[name] - sum(one[name] for one in added) for name in added[0]}
    largest = [max(float(value.abs().max()) for value in one.values()) for one in (rest, *added)]
    sys.stdout.write(json.dumps(largest))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
