"""Read the rows of a file as `datasets` reads them, without keeping them: JSON lines, a JSON array, CSV or text."""

from __future__ import annotations

import codecs
import csv
import importlib
import itertools
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ftc.scripts.dataset_json import (
        BLANK,
        LARGEST_ROW,
        End,
        Item,
        Mistake,
        NotReadError,
        Row,
        of_array,
        of_lines,
        read_line,
    )
else:  # next to this file, not in a package
    from dataset_json import BLANK, LARGEST_ROW, End, Mistake, NotReadError, Row, of_array, of_lines, read_line

KINDS = {"arrow": "arrow", "csv": "csv", "json": "json", "jsonl": "json", "parquet": "parquet", "txt": "text"}
"""The formats that LLaMA-Factory reads, by the ending of the file's name (extras/constants.py)."""
_TABLE_ROWS = 10_000
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_PER_LINE = 64  # bytes of a str in Python, in addition to its characters
# A table of CSV has a value for each row and column.
_MOST_COLUMNS = 2000


def read(file: Path, kind: str) -> Iterator[Item]:
    """The rows, the mistakes, and the ends of the tables."""
    if kind in ("parquet", "arrow"):
        return _of_arrow(file, kind)
    with file.open("rb") as stream:
        start = stream.read(4096)
    if start.startswith(_POINTER):
        return iter([Mistake(1, "the file is a git-lfs pointer, not the data: fetch it with 'git lfs pull'")])
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # that of UTF-32 begins with the same bytes
        wide = "UTF-32" if start.startswith(codecs.BOM_UTF32_LE) else "UTF-16"
        return iter([Mistake(1, f"the file is {wide}, not UTF-8: convert it with 'iconv -f {wide} -t UTF-8'")])
    if kind == "csv":
        return _of_csv(file)
    if kind == "text":
        return _of_text(file)
    is_array = start.removeprefix(codecs.BOM_UTF8).lstrip(BLANK.encode())[:1] == b"["
    return of_array(file) if is_array else of_lines(file)


# pandas, io/parsers: the strings that it reads as missing values.
_MISSING = frozenset(
    [
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    ]
)
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity)\s*", re.IGNORECASE)
_DIGITS = 20  # of the largest integer
_TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


def _of_csv(file: Path) -> Iterator[Item]:
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            yield from _records(stream)
        except UnicodeDecodeError as error:
            yield Mistake(1, f"0x{error.object[error.start]:02x} is not UTF-8: convert the file with 'iconv -t UTF-8'")


def _records(stream: TextIO) -> Iterator[Item]:
    raw: list[str] = []
    reader = csv.reader(_remembered(stream, raw))
    header = next((fields for fields in reader if fields), None)
    if header is None:
        yield Mistake(1, "the file lacks a header with the names of the columns")
        return
    names = _names(header)
    rows: list[tuple[int, list[str]] | Mistake] = []
    index: int | None = None
    raw.clear()
    for fields in reader:
        line = reader.line_num - len(raw) + 1
        open_quote = _ends_in_quotes(raw)
        raw.clear()
        if open_quote:
            rows.append(Mistake(line, 'a quote (") that begins here is not closed'))
            continue
        if not fields:
            continue
        if index is None:  # pandas takes the first fields as names of the rows if the first row has too many
            index = max(0, len(fields) - len(names))
        if len(fields) > len(names) + index:
            reason = f"{len(fields)} fields, but the header has {len(names)}: quote values that contain commas"
            rows.append(Mistake(line, reason))
            continue
        rows.append((line, fields[index:]))
        if len(rows) == _TABLE_ROWS:
            yield from _table(names, rows)
            rows = []
    yield from _table(names, rows)


def _remembered(stream: TextIO, lines: list[str]) -> Iterator[str]:
    size = number = 0
    while line := stream.readline(LARGEST_ROW + 1):
        size, number = len(line) + _PER_LINE + (size if lines else 0), number + 1
        if size > LARGEST_ROW:
            begin = number - len(lines)
            reason = f"the row that begins in line {begin} has more than {LARGEST_ROW >> 20} MiB"
            raise NotReadError(f"{reason}: is a quote not closed?")
        lines.append(line)
        yield line


def _ends_in_quotes(lines: list[str]) -> bool:
    if not lines or lines[-1].endswith(("\n", "\r")) or '"' not in "".join(lines):
        return bool(lines) and sum(line.count('"') for line in lines) % 2 == 1 and _fails(lines)
    return _fails(lines)


def _fails(lines: list[str]) -> bool:
    try:
        return len(list(csv.reader(lines, strict=True))) == 0
    except csv.Error as error:
        return "unexpected end" in str(error)


def _names(header: list[str]) -> list[str]:
    """Columns without a name get one, and pandas appends a number to a repeated name."""
    if len(header) > _MOST_COLUMNS:
        raise NotReadError(f"the header has {len(header)} columns")
    found: list[str] = []
    for place, name in enumerate(header):
        bare = name or f"Unnamed: {place}"
        numbered = (f"{bare}.{number}" for number in itertools.count(1))
        found.append(next(one for one in itertools.chain([bare], numbered) if one not in found))
    return found


def _table(names: list[str], rows: list[tuple[int, list[str]] | Mistake]) -> Iterator[Item]:
    """The rows with the values of each column in the type that pandas infers."""
    full = [one[1] + [""] * (len(names) - len(one[1])) for one in rows if not isinstance(one, Mistake)]
    columns = [_typed(values) for values in zip(*full, strict=True)]
    records = zip(*columns, strict=True)
    for one in rows:
        yield one if isinstance(one, Mistake) else Row(one[0], dict(zip(names, next(records), strict=True)))
    yield End()


def _fits(digits: str) -> bool:
    return len(digits.strip().lstrip("+-0")) <= _DIGITS and -(1 << 63) <= int(digits.strip()[-_DIGITS - 1 :]) < 1 << 64


def _typed(values: Iterable[str]) -> list[Any]:
    known = [value for value in values if value not in _MISSING]
    read: Any = str
    if known and all(map(_INTEGER.fullmatch, known)):
        read = int if all(map(_fits, known)) else str
    elif known and all(map(_NUMBER.fullmatch, known)):
        read = float
    elif known and all(value in _TRUTHS for value in known):
        read = _TRUTHS.__getitem__
    return [None if value in _MISSING else read(value) for value in values]


def _of_text(file: Path) -> Iterator[Item]:
    with file.open("rb") as stream:
        for number in itertools.count(1):
            line = read_line(stream, number)
            if not line:
                break
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                bad = f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}"
                yield Mistake(number, f"{bad}, is not UTF-8: convert the file with 'iconv -t UTF-8'")
                continue
            for part in text.removesuffix("\n").removesuffix("\r").split("\r"):
                yield Row(number, {"text": part})
    yield End()


def _of_arrow(file: Path, kind: str) -> Iterator[Item]:
    # NumPy, which pyarrow loads, reserves memory for a thread on each core: on a large node, more than the limit.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise NotReadError(f"reading {kind} needs the Python package pyarrow, which is not installed") from None
    try:
        if kind == "parquet":
            batches = parquet.ParquetFile(file).iter_batches(batch_size=1000, use_threads=False)
        else:
            batches = arrow.ipc.open_stream(arrow.memory_map(str(file)))
        for batch in batches:
            for record in batch.to_pylist():
                yield Row(0, record)
    except MemoryError:  # pyarrow's is an ArrowException, too
        raise NotReadError(f"reading this {kind} needs more memory than the check has") from None
    except (arrow.ArrowException, OSError) as error:
        yield Mistake(0, f"not {kind}: {error}"[:300])
    yield End()
