"""The differences between two objects: by path, named items by name, quantities by value."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.explain.artifact import ABSENT, Address, Item, steps
from ftc.explain.paths import opened
from ftc.explain.paths import written as path_text
from ftc.plan.kubernetes import quantity
from ftc.plan.names import CARRIED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath


class Kind(StrEnum):
    """The kind of change at a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class Change(msgspec.Struct, frozen=True):
    """One difference; `before` or `after` is ABSENT if the value is missing. MOVED items have another order."""

    address: Address
    before: Any
    after: Any
    kind: Kind


# Only an annotation with a file has a name with a suffix.
_FILE = re.compile(rf"{re.escape(CARRIED)}[^/]+\.[a-z]+")
# Init containers run in order.
_ORDERED = "initContainers"
_VARIABLES = "env"
_USED = re.compile(r"\$\(([^()]+)\)")
_QUANTITIES = ("limits", "requests", "capacity")
_QUANTITY = ("sizeLimit", "storage", "size")
# A Kubernetes quantity, with few enough digits for Python to convert it fast.
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i)?")


def differences(before: Any, after: Any, address: Address = ()) -> Iterator[Change]:
    """Every difference, at the deepest path that both have; texts that carry YAML or JSON are compared by content."""
    if isinstance(before, str) and before == after:
        return
    before, after = _opened(before, address), _opened(after, address)
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), (*address, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(before, after, address)
    elif not _same(before, after, address):
        yield Change(address, before, after, _kind(before, after))


def _kind(before: Any, after: Any) -> Kind:
    return Kind.ADDED if before is ABSENT else Kind.REMOVED if after is ABSENT else Kind.CHANGED


def _opened(value: Any, address: Address) -> Any:
    return opened(value, tuple(step for step in address if isinstance(step, str))[-1:])


def _same(before: Any, after: Any, address: Address) -> bool:
    if isinstance(before, bool) != isinstance(after, bool):
        return False
    if before == after or (before != before and after != after):  # noqa: PLR0124 - NaN is not itself
        return True
    are_quantities = _is_quantity(address) and all(_NUMBER.fullmatch(str(value)) for value in (before, after))
    return are_quantities and quantity(before) == quantity(after)


def _is_quantity(address: Address) -> bool:
    *_, parent, last = (None, None, *address)
    return last in _QUANTITY or parent in _QUANTITIES


def _in_lists(before: list[Any], after: list[Any], address: Address) -> Iterator[Change]:
    field = str(address[-1]) if address else ""
    old = dict(zip(steps(before, field), before, strict=True))
    new = dict(zip(steps(after, field), after, strict=True))
    unnamed = [step for step in (*old, *new) if isinstance(step, int)]
    if unnamed and len(before) != len(after):
        yield Change(address, before, after, Kind.CHANGED)
        return
    for step in [*new, *(step for step in old if step not in new)]:
        yield from differences(old.get(step, ABSENT), new.get(step, ABSENT), (*address, step))
    both = set(old) & set(new)
    if field == _VARIABLES:
        both &= _bound([*before, *after])
    if field in (_ORDERED, _VARIABLES):
        yield from _moved([step for step in old if step in both], [step for step in new if step in both], address)


def _bound(variables: list[Any]) -> set[int | Item]:
    """The variables whose order matters: those that refer to others, and the others, which must come first."""
    values = {str(one.get("name")): str(one.get("value")) for one in variables if isinstance(one, dict)}
    found = {name: set(_USED.findall(value)) & values.keys() for name, value in values.items()}
    names = {name for name, others in found.items() if others}.union(*found.values())
    return {Item(("name",), (name,)) for name in names}


def _moved(old: list[int | Item], new: list[int | Item], address: Address) -> Iterator[Change]:
    if old != new:
        yield Change(address, [step_text(step) for step in old], [step_text(step) for step in new], Kind.MOVED)


def written(address: Address) -> str:
    """Write an address for people; inside a file that the pod carries, it begins with the file's name."""
    carried = next((i for i, step in enumerate(address) if isinstance(step, str) and _FILE.fullmatch(step)), None)
    if carried is None:
        return _steps(address)
    file, rest = str(address[carried]).removeprefix(CARRIED), _steps(address[carried + 1 :])
    return f"{file}: {rest}" if rest else file


def _steps(address: Address) -> str:
    return "".join(
        f"[{step_text(step)}]" if isinstance(step, Item | int) else _key(step) for step in address
    ).removeprefix(".")


def _key(step: str) -> str:
    return path_text((step,)) if re.search(r"[.\[\]\"']", step) else f".{step}"


def step_text(step: int | str | Item) -> str:
    """Write an item of a list as the values that identify it, or as its index."""
    return "/".join(str(value) for value in step.values if value is not None) if isinstance(step, Item) else str(step)


def plain(address: Address) -> KeyPath:
    """The address as a path, with names for items."""
    return tuple(step_text(step) if isinstance(step, Item) else step for step in address)


def named(address: Address) -> KeyPath:
    """The path whose last name describes the value: for the value of a variable, that of the variable."""
    path = plain(address)
    return path[:-1] if path[-1:] == ("value",) else path
