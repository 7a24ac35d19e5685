"""The mean change of a weight by a training: reads JSON with `before` and `after`, writes a number."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Compare the weights of two directories."""
    places = json.load(sys.stdin)
    load_file = importlib.import_module("safetensors.torch").load_file
    before, after = (load_file(Path(places[name], "model.safetensors")) for name in ("before", "after"))
    changes = [(after[name].float() - before[name].float()).abs() for name in before]
    json.dump(sum(float(c.sum()) for c in changes) / sum(c.numel() for c in changes), sys.stdout)


if __name__ == "__main__":
    main()
