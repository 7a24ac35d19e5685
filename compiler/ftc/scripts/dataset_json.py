"""Read JSON lines and JSON arrays row by row, as the libraries of the trainer read them."""

# `datasets` has pyarrow read JSON lines, and pandas a file that is one JSON array (packaged_modules/json/json.py). They
# differ: pandas accepts control characters in texts and a comma before `}`, pyarrow does not.

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TABLE_BYTES = 10 << 20
_BLOCK_BYTES = _TABLE_BYTES // 32
_READ = 1 << 20
_LARGEST_ROW = 256 << 20
BLANK = " \t\r\n"


class Row(NamedTuple):
    """A row and the line on which it begins; 0 if the format lacks lines."""

    line: int
    record: dict[str, Any]


class Mistake(NamedTuple):
    """Text that is not a row; the trainer fails on it."""

    line: int
    reason: str


class End(NamedTuple):
    """The end of a table; with `dates`, a column of which every value is a date is not read as text."""

    dates: bool = False


Item = Row | Mistake | End


class _DoubledError(Exception):
    """The name that an object has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DoubledError(next(name for name in names if names.count(name) > 1))
    return record


_STRICT = json.JSONDecoder(object_pairs_hook=_unique)


class _Lines:
    """The lines of a file with their numbers and the places where they end; lines can be put back."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read nothing yet."""
        self.stream = stream
        self.back: list[bytes] = []
        self.number = 0
        self.end = 0

    def __iter__(self) -> Iterator[bytes]:
        while line := self.next():
            yield line

    def next(self) -> bytes:
        """The next line; empty at the end of the file."""
        line = self.back.pop() if self.back else self.stream.readline()
        self.number += 1
        self.end += len(line)
        return line

    def put_back(self, lines: list[bytes]) -> None:
        """Read the lines again."""
        self.back += reversed(lines)
        self.number -= len(lines)
        self.end -= sum(map(len, lines))


def of_lines(file: Path) -> Iterator[Item]:
    """JSON values one after the other, usually one per line."""
    decode, begun = _STRICT.decode, 0
    with file.open("rb") as stream:
        lines = _Lines(stream)
        for line in lines:
            bare = line.removeprefix(codecs.BOM_UTF8) if lines.number == 1 else line
            try:
                text = bare.decode()
                value = decode(text)
            except UnicodeDecodeError as error:
                bad = f"byte {error.start + 1} of the line, 0x{bare[error.start]:02x}"
                yield Mistake(lines.number, f"{bad}, is not UTF-8: convert the file with 'iconv -t UTF-8'")
            except _DoubledError as name:
                yield Mistake(lines.number, f"the key {str(name)!r} is in the object twice")
            except RecursionError:
                yield Mistake(lines.number, "the value is nested too deep")
            except ValueError:
                if text.strip(BLANK):
                    yield from _values(text, lines, begun)
            else:
                yield _row(value, text, lines.number)
            if lines.end > begun + _TABLE_BYTES:
                begun = lines.end
                yield End(dates=True)
    yield End(dates=True)


def _row(value: object, text: str, line: int) -> Row | Mistake:
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return Mistake(line, "an escape from \\ud800 to \\udfff lacks its partner, so it is not a character")
    if isinstance(value, dict):
        return Row(line, value)
    if value is None:  # read as a row without values
        return Row(line, {})
    return Mistake(line, f"the line holds {_named(value)}, not an object with the columns")


def _named(value: object) -> str:
    """Name the type of a value in a sentence."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


def _values(text: str, lines: _Lines, begun: int) -> Iterator[Item]:
    """The values of a line that has not exactly one: several values, or the beginning of one that goes on."""
    taken: list[bytes] = []
    first, inner, place = lines.number, lines.end, 0
    while place < len(text):
        try:
            value, end = _STRICT.raw_decode(text, place)
        except json.JSONDecodeError as error:
            more = lines.next() if _goes_on(error, text) and len(text) < _LARGEST_ROW else b""
            if more:
                taken.append(more)
                text += more.decode(errors="replace")
                continue
            lines.put_back(taken)
            yield Mistake(first, f"not JSON: {error.msg} at column {_column(error)}")
            return
        except (_DoubledError, RecursionError, ValueError) as error:
            doubled = isinstance(error, _DoubledError)
            yield Mistake(first, f"the key {str(error)!r} is in the object twice" if doubled else f"not JSON: {error}")
            return
        if taken and _is_cut(inner - begun, lines.end - begun):
            yield Mistake(
                first,
                "the row has several lines, and pyarrow reads the file in blocks of 320 KiB, one of which "
                "ends inside this row: write each row on one line",
            )
        else:
            yield _row(value, text[place:end], first)
        place = end + len(text[end:]) - len(text[end:].lstrip(BLANK))


def _goes_on(error: json.JSONDecodeError, text: str) -> bool:
    return not error.msg.startswith(("Invalid control", "Unterminated")) and not text[error.pos :].strip(BLANK)


def _column(error: json.JSONDecodeError) -> str:
    return f"{error.colno}" if error.lineno == 1 else f"{error.colno} of the line {error.lineno - 1} below"


def _is_cut(inner: int, end: int) -> bool:
    """Whether a block ends between the end of the first and that of the last line; the place is that in the table."""
    return (end - 1) // _BLOCK_BYTES > (inner - 1) // _BLOCK_BYTES or inner > _TABLE_BYTES


_DIGITS = 20


def _bounded(digits: str) -> int:
    if len(digits) > _DIGITS or not -(1 << 63) <= int(digits) < 1 << 64:
        raise ValueError(f"{digits[:_DIGITS]} is too large for an integer")
    return int(digits)


def _constant(name: str) -> float | None:
    return None if name == "NaN" else math.inf


_LENIENT = json.JSONDecoder(strict=False, parse_int=_bounded, parse_constant=_constant)


class _Text:
    """The text of a file from the place that was read last; `line` is the number of its line."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read nothing yet."""
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.rest = ""
        self.place = 0
        self.line = 1
        self.ended = False

    def more(self) -> bool:
        """Read on; false at the end of the file."""
        if self.ended:
            return False
        data = self._stream.read(max(_READ, len(self.rest) - self.place))
        self.ended = not data
        self.rest = self.rest[self.place :] + self._decoder.decode(data, final=self.ended)
        self.place = 0
        return True

    def skip_to(self, place: int) -> None:
        """Go to a place in `rest`."""
        self.line += self.rest.count("\n", self.place, place)
        self.place = place

    def next(self) -> str:
        """The next character that is not blank; empty at the end of the file."""
        while True:
            found = _NOTBLANK.search(self.rest, self.place)
            if found:
                self.skip_to(found.start())
                return found[0]
            self.skip_to(len(self.rest))
            if not self.more():
                return ""


_NOTBLANK = re.compile(r"[^ \t\r\n]")


def of_array(file: Path) -> Iterator[Item]:
    """The elements of one array; after a mistake the trainer reads nothing of the file."""
    with file.open("rb") as stream:
        text = _Text(stream)
        try:
            yield from _elements(text)
        except UnicodeDecodeError as error:
            bad = f"0x{error.object[error.start]:02x} is not UTF-8"
            yield Mistake(text.line, f"{bad}, in this line or below: convert the file with 'iconv -t UTF-8'")
        except RecursionError:
            yield Mistake(text.line, "the value is nested too deep")
    yield End()


def _elements(text: _Text) -> Iterator[Item]:
    if text.next() != "[":
        yield Mistake(1, "a byte order mark is before the array: save the file as UTF-8 without it")
        return
    text.skip_to(text.place + 1)
    shape: type | None = None
    if text.next() != "]":
        while True:
            line = text.line
            try:
                value = _element(text)
            except ValueError as error:
                reason = getattr(error, "msg", str(error))
                yield Mistake(
                    line, f"not JSON: {reason}" if text.next() else "the array ends in the middle of an element"
                )
                return
            shape = shape or type(value)
            yield _row_of(value, shape, line)
            following = text.next()
            if following == "]":
                break
            if following != ",":
                yield Mistake(text.line, "',' or ']' is missing after the element" if following else "']' is missing")
                return
            text.skip_to(text.place + 1)
            text.next()
    text.skip_to(text.place + 1)
    if text.next():
        yield Mistake(text.line, "text follows the array: a file has one array, or one object per line")


def _element(text: _Text) -> Any:
    """Decode the element at the place; raises ValueError if it is not JSON."""
    while True:
        text.next()
        try:
            value, end = _LENIENT.raw_decode(text.rest, text.place)
        except json.JSONDecodeError as error:
            if _near_the_end(error, text.rest) and len(text.rest) - text.place < _LARGEST_ROW and text.more():
                continue
            comma = _comma_before_brace(text.rest, error.pos)
            if comma is None:
                raise
            text.rest = f"{text.rest[:comma]} {text.rest[comma + 1 :]}"
            continue
        if end == len(text.rest) and text.more():  # a number may go on
            continue
        text.skip_to(end)
        return value


def _near_the_end(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the text ends in an element, a literal or an escape."""
    return error.msg.startswith("Unterminated") or error.pos > len(text) - 16 or not text[error.pos :].strip(BLANK)


def _comma_before_brace(text: str, place: int) -> int | None:
    """The place of the comma in `,}`, which pandas accepts."""
    found = re.compile(r",[ \t\r\n]*\}").search(text, max(0, place - 200))
    return found.start() if found and found.start() <= place < found.end() else None


def _row_of(value: object, shape: type, line: int) -> Row | Mistake:
    """A row; pandas also makes rows of texts and of lists, if all elements are alike."""
    if not isinstance(value, shape) or shape is type(None):
        return Mistake(line, f"the element is {_named(value)}, not an object with the columns")
    if isinstance(value, dict):
        return Row(line, value)
    if isinstance(value, list) and len(value) > 1:
        return Row(line, {str(place): one for place, one in enumerate(value)})
    return Row(line, {"text": value[0] if isinstance(value, list) and value else value})
