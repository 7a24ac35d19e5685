"""Paths as people type them, and their values: `a.b[0]`, `containers[train]`, `labels["example.com/team"]`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc import source
from ftc.diagnostics.printable import escaped, redacted
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath


_STEP = re.compile(
    r"""(?:^|\.)(?P<bare>[^.\[\]]+)|\[(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<inner>[^\]"']+))\]"""
)
_PLAIN = re.compile(r"[^.\[\]\"']+")


class Found(NamedTuple):
    """The value at a path, and the path with indexes instead of the names of list items."""

    path: KeyPath
    value: Any


class Missing(NamedTuple):
    """The existing part of a path, the first missing step, and the steps that exist instead."""

    path: KeyPath
    step: str | int
    known: tuple[str, ...]


def parse(text: str) -> KeyPath | None:
    """Parse a path; None if it is malformed."""
    steps: list[str | int] = []
    place = 0
    while found := _STEP.match(text, place):
        place = found.end()
        quoted = found["double"] if found["double"] is not None else found["single"]
        bare = found["bare"] or found["inner"]
        steps.append(quoted if quoted is not None else int(bare) if bare.isdecimal() else bare)
    return tuple(steps) if steps and place == len(text) else None


def written(path: KeyPath) -> str:
    """Write a path in the form that `parse` reads."""
    return "".join(_step(part) for part in path).removeprefix(".")


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN.fullmatch(part) and not part.isdecimal() else f'["{part}"]'


def find(data: Any, path: KeyPath) -> Found | Missing:
    """Find the value at a path; it may name an item of a list, and continue into a file that a text carries."""
    here: KeyPath = ()
    value = data
    for step in path:
        value = opened(value, here)
        key = _key(value, step)
        if key is None:
            return Missing(here, step, tuple(_known(value)))
        value, here = value[key], (*here, key)
    return Found(here, value)


def _key(value: Any, step: str | int) -> str | int | None:
    if isinstance(value, dict):
        return next((key for key in (step, str(step)) if key in value), None)
    if isinstance(value, list) and isinstance(step, int):
        return step if step < len(value) else None
    if isinstance(value, list):
        return next((i for i, item in enumerate(value) if isinstance(item, dict) and item.get("name") == step), None)
    return None


def _known(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        yield from (
            item["name"] if isinstance(item, dict) and "name" in item else str(i) for i, item in enumerate(value)
        )


def opened(value: Any, path: KeyPath) -> Any:
    """The content of a file that the text at `path` carries, such as the annotation ftc.dev/train.yaml."""
    if isinstance(value, str) and path and str(path[-1]).endswith((".yaml", ".json")):
        document, _ = source.parse(value, str(path[-1]))
        return document.data if document else value
    return value


_WIDTH, _CONTEXT = 100, 20
# Lines are joined; libyaml does not write surrogates, which represent bytes that are not UTF-8.
_NO_YAML = re.compile("[\n\ud800-\udfff]")


def shown(path: KeyPath, value: Any) -> str:
    """Write a value on one line, without the secrets that it or its name reveals; a long one is cut."""
    return _cut(_on_one_line(path, value))


def shown_both(path: KeyPath, before: Any, after: Any) -> tuple[str, str]:
    """Write two values; of long ones that begin alike, the parts from shortly before the first difference."""
    texts = [_on_one_line(path, one) for one in (before, after)]
    pairs = enumerate(zip(*texts, strict=False))
    alike = next((index for index, (old, new) in pairs if old != new), min(map(len, texts)))
    start = alike - _CONTEXT if texts[0] != texts[1] and alike > _WIDTH // 2 and max(map(len, texts)) > _WIDTH else 0
    old, new = (_cut(f"…{text[start:]}" if start else text) for text in texts)
    return old, new


def _on_one_line(path: KeyPath, value: Any) -> str:
    name = next((f"{step}: " for step in reversed(path) if isinstance(step, str)), "")
    as_json = isinstance(value, dict | list) or (isinstance(value, str) and _NO_YAML.search(value) is not None)
    text = json.dumps(value, ensure_ascii=False) if as_json else _scalar(value)
    return escaped(redacted(f"{name}{text}").removeprefix(name))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _scalar(value: Any) -> str:
    """Write a scalar as YAML: libyaml writes a list of one item as `[value]` or as `- value`."""
    text = dump([value]).removesuffix("\n")
    return text.removeprefix("- ") if text.startswith("- ") else text[1:-1]
