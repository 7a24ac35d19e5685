"""Add the model types of the installed transformers to schemas/model_types.json.

    VENV/bin/python schemas/make_model_types.py

VENV is an environment of tests/e2e/trainer/install.sh. A release lists the types that earlier ones do not have. Source:
CONFIG_MAPPING_NAMES of transformers.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

OUTPUT = Path(__file__).parent / "model_types.json"


def order(release: str) -> tuple[int, ...]:
    """A release as numbers."""
    return tuple(int(part) for part in release.split("."))


def main() -> None:
    """Add the types of one release, and write them all."""
    names = set(importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES)
    version = importlib.import_module("transformers").__version__
    known = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {}
    lists = {**{key: set(value) for key, value in known.items()}, version: names}
    seen: set[str] = set()
    lines = []
    for release in sorted(lists, key=order):
        lines.append(f" {json.dumps(release)}: {json.dumps(sorted(lists[release] - seen))}")
        seen |= lists[release]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
