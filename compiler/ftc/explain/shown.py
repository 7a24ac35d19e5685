"""A value on one line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.printable import escaped
from ftc.diagnostics.redact import redacted
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

_WIDTH = 100
# Lines are joined; libyaml does not write surrogates, which represent bytes that are not UTF-8.
_NO_YAML = re.compile("[\n\ud800-\udfff]")


def shown(path: KeyPath, value: Any) -> str:
    """Write a value on one line, without the secrets that it or its name reveals."""
    name = next((f"{step}: " for step in reversed(path) if isinstance(step, str)), "")
    as_json = isinstance(value, dict | list) or (isinstance(value, str) and _NO_YAML.search(value) is not None)
    text = json.dumps(value, ensure_ascii=False) if as_json else _scalar(value)
    text = escaped(redacted(f"{name}{text}").removeprefix(name))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _scalar(value: Any) -> str:
    """Write a scalar as YAML: libyaml writes a list of one item as `[value]` or as `- value`."""
    text = dump([value]).removesuffix("\n")
    return text.removeprefix("- ") if text.startswith("- ") else text[1:-1]
