"""Packages that LLaMA-Factory requires and that its environment lacks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The parser only checks their names and versions, and does not use them.
PACKAGES = {
    "deepspeed": "0.16.9",
    "unsloth": "2025.1",
    "galore-torch": "1.0",
    "apollo-torch": "1.0.3",
    "badam": "1.2.3",
    "adam-mini": "1.1.1",
    "jieba": "0.42",
    "nltk": "3.9",
    "rouge-chinese": "1.0.3",
    "bitsandbytes": "0.46.1",
    "swanlab": "0.10.3",
    "wandb": "0.31.0",
}


def pretend_packages(directory: Path) -> None:
    """Metadata for packages that are not installed, and an empty DeepSpeed."""
    for name, version in PACKAGES.items():
        folder = directory / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (directory / "deepspeed").mkdir()
    (directory / "deepspeed" / "__init__.py").touch()
    sys.path.insert(0, str(directory))
