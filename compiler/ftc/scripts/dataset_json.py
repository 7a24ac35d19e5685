"""Read JSON lines and JSON arrays row by row, as the libraries of the trainer read them."""

# `datasets` has pyarrow read JSON lines, and pandas a file that is one JSON array (packaged_modules/json/json.py). They
# differ: pandas accepts control characters in strings and a comma before `}`, pyarrow does not.

from __future__ import annotations

import codecs
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TABLE_BYTES = 10 << 20
_BLOCK_BYTES = _TABLE_BYTES // 32
_READ = 1 << 20
LARGEST_ROW = 32 << 20
"""The largest row or line in bytes, so that the memory of a check does not depend on the file."""
_MOST_OPEN = 100
BLANK = " \t\r\n"
_CUT = (
    "the row has several lines, and pyarrow reads the file in blocks of 320 KiB, one of which ends inside this row: "
    "write each row on one line"
)


class NotReadError(Exception):
    """Why the rest of a file cannot be checked here, although the trainer may read it."""


def read_line(stream: BinaryIO, number: int) -> bytes:
    """The next line of a file; empty at its end."""
    line = stream.readline(LARGEST_ROW + 1)
    if len(line) > LARGEST_ROW:
        raise NotReadError(f"line {number} has more than {LARGEST_ROW >> 20} MiB")
    return line


class Row(NamedTuple):
    """A row and the line on which it begins; 0 if the format lacks lines."""

    line: int
    record: dict[str, Any]


class Mistake(NamedTuple):
    """Text that is not a row; the trainer fails on it."""

    line: int
    reason: str


class End(NamedTuple):
    """The end of a table; with `dates`, a column in which every value is a date is not read as strings."""

    dates: bool = False


Item = Row | Mistake | End


class _DuplicateError(Exception):
    """A key that an object has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateError(next(name for name in names if names.count(name) > 1))
    return record


_STRICT = json.JSONDecoder(object_pairs_hook=_unique)
_ANY = json.JSONDecoder()


class _Lines:
    """The lines of a file with their numbers and the places where they end; lines can be put back."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read nothing yet."""
        self.stream = stream
        self.back: list[bytes] = []
        self.number = 0
        self.end = 0
        self.most_open = _MOST_OPEN

    def __iter__(self) -> Iterator[bytes]:
        while line := self.next():
            yield line

    def next(self) -> bytes:
        """The next line; empty at the end of the file."""
        line = self.back.pop() if self.back else read_line(self.stream, self.number + 1)
        self.number += bool(line)
        self.end += len(line)
        return line

    def take(self, size: int) -> list[bytes]:
        """The next lines, with at least so many bytes; fewer at the end of the file."""
        taken: list[bytes] = []
        while size > 0 and (line := self.next()):
            taken.append(line)
            size -= len(line)
        return taken

    def stop(self) -> None:
        """Read nothing more: the trainer fails on what was read."""
        self.back = []
        self.stream.seek(0, os.SEEK_END)

    def give_up(self, taken: list[bytes]) -> None:
        """Read the lines of an invalid value again; after too many such values, read nothing more."""
        self.put_back(taken)
        self.most_open -= bool(taken)
        if not self.most_open:
            self.stop()

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
            except _DuplicateError as name:
                yield Mistake(lines.number, f"duplicate key {str(name)!r} in the object")
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
            return Mistake(line, "an escape from \\ud800 to \\udfff is not part of a pair, so it is not a character")
    if isinstance(value, dict):
        return Row(line, value)
    if value is None:  # read as a row without values
        return Row(line, {})
    return Mistake(line, f"the line holds {_named(value)}, not an object with the columns")


def _named(value: object) -> str:
    """Name the type of a value in a sentence."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a Boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _values(text: str, lines: _Lines, begun: int) -> Iterator[Item]:
    """The values of a line: several values, or the beginning of a value that continues on the next lines."""
    taken: list[bytes] = []
    first, inner, place = lines.number, lines.end, 0
    while place < len(text):
        try:
            value, end = _STRICT.raw_decode(text, place)
        except json.JSONDecodeError as error:
            goes_on = _goes_on(error, text)
            if goes_on and taken and lines.end - inner > _BLOCK_BYTES:
                yield Mistake(first, _CUT)
                lines.stop()
                return
            # As many bytes as there are, because each attempt parses the text again.
            if goes_on and (more := lines.take(len(text))):
                taken += more
                text += b"".join(more).decode(errors="replace")
                continue
            yield Mistake(first, f"not JSON: {error.msg} at column {_column(error)}")
            lines.give_up(taken)
            return
        except _DuplicateError as name:
            yield Mistake(first, f"duplicate key {str(name)!r} in the object")
            lines.put_back(_below(text, place, taken))
            return
        except (RecursionError, ValueError) as error:
            yield Mistake(first, f"not JSON: {error}")
            lines.give_up(taken)
            return
        used = text.count("\n", 0, end)
        if used < len(taken):
            lines.put_back(taken[used:])
            taken, text = taken[:used], text[: text.find("\n", end) + 1 or len(text)]
        cut = bool(taken) and _is_cut(inner - begun, lines.end - begun)
        yield Mistake(first, _CUT) if cut else _row(value, text[place:end], first)
        place = end + len(text[end:]) - len(text[end:].lstrip(BLANK))


def _below(text: str, place: int, taken: list[bytes]) -> list[bytes]:
    """The lines below a value with a duplicate key; all lines if the value does not end."""
    try:
        return taken[text.count("\n", 0, _ANY.raw_decode(text, place)[1]) :]
    except (ValueError, RecursionError):
        return taken


def _goes_on(error: json.JSONDecodeError, text: str) -> bool:
    return not error.msg.startswith(("Invalid control", "Unterminated")) and not text[error.pos :].strip(BLANK)


def _column(error: json.JSONDecodeError) -> str:
    return f"{error.colno}" if error.lineno == 1 else f"{error.colno} of the line {error.lineno - 1} below"


def _is_cut(inner: int, end: int) -> bool:
    """Whether a block ends between the ends of the first and the last line, which are places in the table."""
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
        if len(self.rest) - self.place > LARGEST_ROW:
            raise NotReadError(f"the row that begins in line {self.line} has more than {LARGEST_ROW >> 20} MiB")
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
            if _near_the_end(error, text.rest) and text.more():
                continue
            changed = text.rest[: text.place] + _without_commas(text.rest[text.place :])
            if changed == text.rest:
                raise
            text.rest = changed
            continue
        if end == len(text.rest) and text.more():  # a number may continue
            continue
        text.skip_to(end)
        return value


def _near_the_end(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the text ends in an element, a literal or an escape."""
    return error.msg.startswith("Unterminated") or error.pos > len(text) - 16 or not text[error.pos :].strip(BLANK)


# A string, up to its end or to the end of what was read, or a comma before `}`.
_COMMA = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$))|,(?=[ \t\r\n]*\})', re.DOTALL)


def _without_commas(text: str) -> str:
    """The text with a blank for each comma before `}`, which pandas accepts."""
    return _COMMA.sub(lambda found: found[1] or " ", text)


def _row_of(value: object, shape: type, line: int) -> Row | Mistake:
    """A row; pandas also makes rows of strings and of lists, if all elements have one type."""
    if not isinstance(value, shape) or shape is type(None):
        return Mistake(line, f"the element is {_named(value)}, not an object with the columns")
    if isinstance(value, dict):
        return Row(line, value)
    if isinstance(value, list) and len(value) > 1:
        return Row(line, {str(place): one for place, one in enumerate(value)})
    return Row(line, {"text": value[0] if isinstance(value, list) and value else value})
