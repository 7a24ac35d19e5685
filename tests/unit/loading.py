"""Read YAML that ftc has written."""

from __future__ import annotations

from typing import Any

import yaml


def load(text: str) -> Any:
    """Read one document with libyaml, which is much faster than PyYAML's own parser."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def load_all(text: str) -> list[Any]:
    """Read all documents."""
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
