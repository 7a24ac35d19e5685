"""Read overrides in the usual forms, as Hydra's grammar does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.compose.plain.values import KEY, OPTION, REFERENCE, UncertainError, is_plain
from ftc.compose.types import Choice, ValueOverride
from ftc.patterns import lazily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.compose.files import Conf
    from ftc.diagnostics.model import KeyPath

_KEYS = rf"{KEY}(?:\.{KEY})*"
_OVERRIDE = lazily(rf"(?P<plus>\+{{0,2}})(?P<key>{_KEYS})(?:@(?P<package>{_KEYS}))?= *", re.ASCII)
_OPTION = lazily(OPTION, re.ASCII)
# Hydra's grammar has limits above these.
_MAX_LETTERS = 1000
_MAX_DEPTH = 32
_LONG_NUMBER = lazily(r"[0-9_]{100}")

_WORD = rf"(?:[\w/+.%*@?|:-]|{REFERENCE})+"
_WORDS = lazily(rf"{_WORD}(?: +{_WORD})*(?!(?<=:) )", re.ASCII)
_NAME = lazily(r"([\w/+.%*@?|-]+(?: +[\w/+.%*@?|-]+)*) *: *", re.ASCII)
_QUOTED = lazily(r"""(["'])((?:(?!\1)[^\\]|\\.)*)\1""")
_OPENING = lazily(r"[\[{] *")
_COMMA = lazily(r" *, *")
_INT = r"(?:0|[1-9](?:_?[0-9])*)"
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = lazily(
    rf"[+-]?(?:(?P<int>{_INT})|{_INT}\.|{_INT}?\.{_DIGITS}|(?:{_INT}\.?|{_INT}?\.{_DIGITS})[eE][+-]?{_DIGITS}"
    r"|(?i:inf|nan))",
    re.ASCII,
)
_CONSTANTS = {"null": None, "true": True, "false": False}


def read(text: str, conf: Conf) -> Choice | ValueOverride | None:
    """Read an override; None if it has another form, or is wrong."""
    found = _OVERRIDE.match(text)
    if not found or len(text) > _MAX_LETTERS or not text.isprintable() or _LONG_NUMBER.search(text):
        return None
    key, package, plus = found["key"], found["package"], found["plus"]
    path = tuple(key.split("."))
    try:
        value = _Reader(text, found.end(), conf.keeps_text).whole(path)
    except UncertainError:
        return None
    if isinstance(value, dict) or not conf.has_group(key):
        return ValueOverride(text, path, value) if not package and is_plain(value) else None
    is_option = isinstance(value, str) and _OPTION.fullmatch(value) and value in conf.options(key)
    return Choice(key, package, value, is_added=plus == "+") if is_option and plus != "++" else None


class _Reader:
    """Reads a value from left to right."""

    def __init__(self, text: str, start: int, keeps_text: Callable[[KeyPath], bool]) -> None:
        self.text, self.at, self.keeps_text = text, start, keeps_text

    def whole(self, path: KeyPath) -> Any:
        """The value up to the end of the text."""
        value = self._value(path) if self.at < len(self.text) else ""
        if self.at < len(self.text):
            raise UncertainError
        return value

    def _value(self, path: KeyPath) -> Any:
        match self.text[self.at : self.at + 1]:
            case "[":
                return [self._value((*path, place)) for place, _ in enumerate(self._items("]", path))]
            case "{":
                return {name: self._value((*path, name)) for _ in self._items("}", path) for name in [self._name()]}
            case "'" | '"':
                quoted = self._take(_QUOTED)
                return re.sub(rf"(\\+)({quoted[1]}|\Z)", _unescaped, quoted[2])
        word = self._take(_WORDS)[0]
        value = _typed(word)
        return word if isinstance(value, int | float) and self.keeps_text(path) else value

    def _items(self, closing: str, path: KeyPath) -> Iterator[None]:
        """Go to the beginning of each item in brackets."""
        if len(path) > _MAX_DEPTH:
            raise UncertainError
        self._take(_OPENING)
        if self._ends(closing):
            return
        yield
        while not self._ends(closing):
            self._take(_COMMA)
            yield

    def _ends(self, closing: str) -> bool:
        """Whether the next sign is the closing bracket, which is then taken."""
        rest = self.text[self.at :].lstrip(" ")
        is_end = rest.startswith(closing)
        self.at = len(self.text) - len(rest) + 1 if is_end else self.at
        return is_end

    def _name(self) -> str:
        """The key of a mapping, which must be a string."""
        name = _typed(self._take(_NAME)[1])
        if not isinstance(name, str):
            raise UncertainError
        return name

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise UncertainError
        self.at = found.end()
        return found


def _typed(word: str) -> str | float | None:
    """A word as Hydra reads it: a constant, a number or a string."""
    if word.lower() in _CONSTANTS:
        return _CONSTANTS[word.lower()]
    number = _NUMBER.fullmatch(word)
    return word if number is None else int(word) if number["int"] else float(word)


def _unescaped(slashes: re.Match[str]) -> str:
    """Backslashes escape a quote and themselves before a quote."""
    return slashes[1][: len(slashes[1]) // 2] + slashes[2]
