"""Values that a text does not contain, because a shell, Helm, Jinja or envsubst fills them in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Unknown(Exception):  # noqa: N818 - not an error: the rule does not apply
    """A rule asked for a value that the text does not contain."""


# ${NAME}, $NAME, $(command), {{ … }} and {% … %}.
_PLACEHOLDER = re.compile(r"\$[A-Za-z_{(]|\{\{|\{%")


def has_placeholder(text: str) -> bool:
    """Whether a text contains a placeholder that is replaced before its program reads it."""
    return _PLACEHOLDER.search(text) is not None


class Fields(dict[str, Any]):
    """A mapping that raises Unknown for an unknown value.

    `partial` means that it may have further keys: reading a missing key raises Unknown too.
    """

    hidden: frozenset[str] = frozenset()
    partial: bool = False

    def __contains__(self, key: object) -> bool:
        if super().__contains__(key) or key in self.hidden:
            return True
        if self.partial:
            raise Unknown
        return False

    def __getitem__(self, key: str) -> Any:
        if key in self:
            if key in self.hidden:
                raise Unknown
            return super().__getitem__(key)
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; the default if the mapping does not have the key."""
        return self[key] if key in self else default  # noqa: SIM401 - this defines `get`

    def tells(self, key: str) -> bool:
        """Whether the value of a key is known, or the key is known to be absent."""
        return key not in self.hidden and (super().__contains__(key) or not self.partial)

    def written(self) -> tuple[str, ...]:
        """The keys in the text, including those with unknown values."""
        return (*self, *sorted(self.hidden))


def fields(data: dict[Any, Any], is_unknown: Callable[[str], bool], *, partial: bool = False) -> Fields:
    """A mapping and all mappings inside it as Fields."""
    known = dict(_known(data, is_unknown))
    made = Fields(known)
    made.partial = partial or any(is_unknown(str(key)) for key in data)
    made.hidden = frozenset(str(key) for key in data if not is_unknown(str(key))) - known.keys()
    return made


def _known(data: dict[Any, Any], is_unknown: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if is_unknown(str(key)) or _hides(value, is_unknown):
            continue
        yield str(key), fields(value, is_unknown) if isinstance(value, dict) else value


def _hides(value: Any, is_unknown: Callable[[str], bool]) -> bool:
    """Whether a string or an item of a list is unknown; a mapping tracks its own values."""
    if isinstance(value, list):
        return any(_hides(item, is_unknown) for item in value)
    return isinstance(value, str) and is_unknown(value)
