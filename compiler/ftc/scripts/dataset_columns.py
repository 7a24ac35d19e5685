"""The types of columns as `datasets` infers them: one for all values of a table, which a later table must keep."""

# Observed with datasets 4.0.0, pyarrow 26, pandas 2.3: a table is 10 MiB of JSON lines, a JSON array, or 10,000 rows of
# CSV. The first table decides the types; the values of a later one are cast to them (datasets, table.py).

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ftc.scripts.dataset_json import NotReadError
else:  # next to this file, not in a package
    from dataset_json import NotReadError

NULL, BOOLEAN, INTEGER, FLOAT, TEXT, DATE, OBJECT, LIST = (
    *("null", "a Boolean", "an integer", "a number", "a string"),
    *("a date", "an object", "a list"),
)
_KINDS = {bool: BOOLEAN, int: INTEGER, float: FLOAT, str: TEXT, dict: OBJECT, list: LIST}
# The forms that pyarrow reads as a time in seconds.
_DATE = re.compile(
    r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
)


# An object whose keys differ in each row would fill the memory: the type of a column has all keys.
_MOST_FIELDS = 20_000


class Change(NamedTuple):
    """A value whose type differs from that of the values before it: at `path` and `row`."""

    path: str
    row: int
    before: str
    now: str


class Column:
    """The type of a column, or of a field or an item inside it, so far."""

    __slots__ = ("dates", "fields", "item", "kind", "row", "seen")

    def __init__(self) -> None:
        """Start without a value."""
        self.kind = NULL
        self.row = 0
        self.seen: type | None = None
        self.dates = True
        self.fields: dict[str, Column] = {}
        self.item: Column | None = None

    def add(self, value: object, row: int) -> Change | None:
        """Add a value; the trainer fails if the type changes."""
        kind = type(value)
        if kind is str:
            if self.seen is str and not self.dates:
                return None
            self.dates = self.dates and _DATE.fullmatch(value) is not None  # type: ignore[call-overload] # a str
        elif value is None:
            return None
        if kind is not self.seen:
            changed = self._change(_KINDS.get(kind, TEXT), row)
            if changed:
                return changed
            self.seen = kind
        if kind is dict:
            return add_fields(self.fields, value, row)  # type: ignore[arg-type] # a dict
        if kind is list:
            return self._add_items(value, row)  # type: ignore[arg-type] # a list
        return None

    def _change(self, kind: str, row: int) -> Change | None:
        if self.kind == NULL:
            self.kind, self.row = kind, row
        elif {self.kind, kind} == {INTEGER, FLOAT}:
            self.kind = FLOAT
        elif self.kind != kind:
            return Change("", row, self.kind, kind)
        return None

    def _add_items(self, values: list[Any], row: int) -> Change | None:
        item = self.item
        if item is None:
            item = self.item = Column()
        for value in values:
            if type(value) is dict and item.seen is dict:
                changed = add_fields(item.fields, value, row)
            else:
                changed = item.add(value, row)
            if changed:
                return changed._replace(path=f"[]{changed.path}")
        return None

    def finish(self, *, with_dates: bool) -> None:
        """End the table: a column of strings that holds only dates becomes a column of dates."""
        if self.kind == TEXT and self.dates and with_dates:
            self.kind = DATE
        for inner in (*self.fields.values(), *((self.item,) if self.item else ())):
            inner.finish(with_dates=with_dates)

    def cast_problem(self, first: Column) -> Change | None:
        """Why the values of this table cannot get the type of the first table."""
        if self.kind in (NULL, first.kind) and self.kind not in (OBJECT, LIST):
            return None
        if self.kind == first.kind == OBJECT:
            return problem_of_fields(self.fields, first.fields)
        if self.kind == first.kind == LIST:
            inner = self.item.cast_problem(first.item or Column()) if self.item else None
            return inner._replace(path=f"[]{inner.path}") if inner else None
        if self.kind in _CAST.get(first.kind, ()):
            return None
        return Change("", self.row, first.kind, self.kind)

    def names(self) -> set[str]:
        """The names of the fields, of the items if it is a list."""
        return set(self.fields) | (self.item.names() if self.item else set())


# The types of a later table that can be cast to the type of the first one.
_CAST = {
    TEXT: (BOOLEAN, INTEGER, FLOAT, DATE),
    FLOAT: (INTEGER, BOOLEAN),
    INTEGER: (BOOLEAN,),
    BOOLEAN: (INTEGER,),
}


def add_fields(fields: dict[str, Column], record: dict[str, Any], row: int) -> Change | None:
    """Add the values of a row, or of an object in it."""
    for name, value in record.items():
        column = fields.get(name)
        if column is None:
            column = fields[name] = Column()
            column.row = row
            if len(fields) > _MOST_FIELDS:
                raise NotReadError(f"the rows up to row {row} have more than {_MOST_FIELDS:,} keys in one column")
        elif type(value) is str and column.seen is str and not column.dates:
            continue
        changed = column.add(value, row)
        if changed:
            return changed._replace(path=f".{name}{changed.path}")
    return None


def problem_of_fields(fields: dict[str, Column], first: dict[str, Column]) -> Change | None:
    """Why a later table does not fit the first one: another column, or another type."""
    for name, column in fields.items():
        if name not in first:
            return Change(f".{name}", column.row, "", column.kind)
        problem = column.cast_problem(first[name])
        if problem:
            return problem._replace(path=f".{name}{problem.path}")
    return None
