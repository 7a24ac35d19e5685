"""The pins of a run in the user's conf: a file that ftc writes, and one item of the run's defaults list."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from ftc import yaml_text
from ftc.diagnostics.model import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.pin.pins import Pin

DIRECTORY = "pins"
EMPTY = "# @package _global_\n{}\n"
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
_SELF = "_self_"


def text(name: str, pins: Iterable[Pin]) -> str:
    """Write the file of pins, a mapping over the run, with what each pin replaces."""
    about = f"# Written by `ftc pin {name}`, which also updates it: the commits and digests of what the run names."
    return f"# @package _global_\n{about}\n{yaml_text.dump(values(pins))}"


def values(pins: Iterable[Pin]) -> dict[str, Any]:
    """The keys that the pins set, and in `pins` what each one replaces."""
    found: dict[str, Any] = {}
    for pin in pins:
        found.setdefault("pins", {})[dotted(pin.key)] = pin.names
        *parents, last = map(str, pin.key)
        here = found
        for step in parents:
            here = here.setdefault(step, {})
        here[last] = pin.value
    return found


def with_pins(primary: str, name: str) -> str | None:
    """Add the pins to the defaults list of a run, after `_self_`; the rest keeps its comments and its form.

    Hydra wants overrides at the end, so `_self_` moves before them, which changes nothing for them. None if the list
    has a form that cannot be extended.
    """
    item = f"{DIRECTORY}/{name}"
    root = yaml.compose(primary, yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = [value for key, value in pairs if key.value == "defaults" and isinstance(value, yaml.SequenceNode)]
    if not found or not any(map(_is_plain, found[0].value)):
        return None
    items = found[0].value
    if any(node.value in (item, f"/{item}") for node in items):
        return primary
    last = max(index for index, node in enumerate(items) if _is_plain(node))
    own = next((index for index, node in enumerate(items) if node.value == _SELF), len(items))
    # `_self_` among or directly after the plain items stays; a later one, or none, is written before the pins.
    stays = own <= last + 1 and own < len(items)
    written = item if _PLAIN.fullmatch(item) else json.dumps(item)
    edit = _in_flow if found[0].flow_style else _in_block
    moved = None if stays or own == len(items) else own
    changed = edit(primary, items, max(last, own) if stays else last, ([] if stays else [_SELF]) + [written], moved)
    return changed if _adds(primary, changed, item) else None


def _is_plain(node: yaml.Node) -> bool:
    """Whether an item chooses or includes something: not `_self_`, and no `override`."""
    if isinstance(node, yaml.MappingNode):
        return not any(str(key.value).startswith("override ") for key, _ in node.value)
    return bool(node.value != _SELF)


def _in_flow(text: str, items: list[yaml.Node], last: int, added: list[str], moved: int | None) -> str:
    """Add items after the last one that stays before them, and remove the one that moves.

    A comment before that one would be lost, so the text then stays as it is.
    """
    end = items[last].end_mark.index
    rest = text[end:]
    if moved is not None:
        if "#" in text[items[moved - 1].end_mark.index : items[moved].start_mark.index]:
            return text
        rest = text[end : items[moved - 1].end_mark.index] + text[items[moved].end_mark.index :]
    return "".join([text[:end], *(f", {one}" for one in added), rest])


def _in_block(text: str, items: list[yaml.Node], last: int, added: list[str], moved: int | None) -> str:
    """The same for a list with an item on each line; the one that moves keeps its comment."""
    lines = text.splitlines(keepends=True)
    like = lines[items[last].start_mark.line]
    end = "\r\n" if like.endswith("\r\n") else "\n"
    after = _last_line(items[last])
    if not lines[after].endswith("\n"):
        lines[after] += end
    new = [f"{like[: items[last].start_mark.column]}{one}{end}" for one in added]
    if moved is not None:
        place = items[moved].start_mark.line
        new[0] = lines[place] if lines[place].endswith("\n") else f"{lines[place]}{end}"
        lines[place] = ""
    lines[after] += "".join(new)
    return "".join(lines)


def _last_line(node: yaml.Node) -> int:
    """The line in which a node ends; the mark of a mapping is that of the next token."""
    while isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        node = node.value[-1][1]
    return int(node.end_mark.line)


def _adds(before: str, after: str, item: str) -> bool:
    """Whether the only effect of an edit is the item, and the place of `_self_`."""
    try:
        old, new = yaml.safe_load(before), yaml.safe_load(after)
    except yaml.YAMLError:
        return False
    lists = [[one for one in data["defaults"] if one not in (_SELF, item)] for data in (old, new)]
    same = {**old, "defaults": None} == {**new, "defaults": None}
    return same and lists[0] == lists[1] and item in new["defaults"]
