"""The items of a defaults list, in the usual forms."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ftc.compose.plain.values import KEY

# The name of a file.
OPTION = r"[A-Za-z0-9][\w.-]*"
_PACKAGE = rf"(?:@(?!\S*_group_)(?P<package>(?:_global_|{KEY})(?:\.{KEY})*))?"
_CONFIG = re.compile(rf"(?P<name>/?(?:{KEY}/)*{OPTION}){_PACKAGE}", re.ASCII)
_GROUP = re.compile(rf"(?P<overrides>override )?(?P<name>/?{KEY}(?:/{KEY})*){_PACKAGE}", re.ASCII)
_OPTION = re.compile(OPTION, re.ASCII)


class Item(msgspec.Struct, frozen=True):
    """The path of a config, or a group and its option, if any; relative to the file, or beginning with /.

    `package` is the place of its keys, if the item names one. `overrides` marks a choice for a group of another item.
    """

    name: str
    package: str | None = None
    is_group: bool = False
    option: str | None = None
    overrides: bool = False


SELF = Item("_self_")


def read(data: dict[str, Any]) -> tuple[Item, ...] | None:
    """The items of a file; None if one has another form."""
    listed = data.get("defaults", [])
    found = [_item(entry) for entry in listed] if isinstance(listed, list) else [None]
    whole = tuple(item for item in found if item is not None)
    return whole if len(whole) == len(found) and whole.count(SELF) <= 1 else None


def _item(entry: Any) -> Item | None:
    if entry == SELF.name:
        return SELF
    if isinstance(entry, str):
        config = _CONFIG.fullmatch(entry)
        return Item(config["name"], config["package"]) if config else None
    if not isinstance(entry, dict) or len(entry) != 1:
        return None
    ((key, option),) = entry.items()
    group = _GROUP.fullmatch(key)
    is_usual = option is None or (isinstance(option, str) and _OPTION.fullmatch(option))
    if not group or not is_usual:
        return None
    return Item(group["name"], group["package"], is_group=True, option=option, overrides=group["overrides"] is not None)
