"""Identical lines of several ranks become one line."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftc.cluster.log_lines import LogLine

# Seconds within which ranks print the same line, and the most lines that are held back for it.
_HOLD, _MOST = 1.0, 1000
# torchrun, and the errors of PyTorch.
_RANK = re.compile(r"^\[(?P<kind>rank|default)(?P<rank>\d+)\]:\s?")


class Group:
    """A line, and the ranks that have printed it."""

    def __init__(self, line: LogLine, text: str) -> None:
        self.first, self.text = line, text
        self.times: Counter[tuple[int, str]] = Counter()
        self.nodes: set[int] = set()
        self.ranks: set[int] = set()

    def add(self, line: LogLine, rank: str) -> None:
        """One more rank, or once more the same one."""
        self.times[line.node, rank] += 1
        self.nodes.add(line.node)
        self.ranks |= {int(rank)} if rank else set()

    def shown(self) -> str:
        """The line with its nodes: `node-0 | text`, `node-0..3 | [rank0..7]: text (2 times)`."""
        ranks = f"[rank{ranges(sorted(self.ranks))}]: " if self.ranks else ""
        most = max(self.times.values())
        note = "ftc: " if self.first.is_note else ""
        return f"node-{ranges(sorted(self.nodes))} | {note}{ranks}{self.text}{f' ({most} times)' if most > 1 else ''}"


def ranges(numbers: Sequence[int]) -> str:
    """`0..3,5`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ",".join("..".join(map(str, one)) for one in found)


def collapsed(lines: Iterable[LogLine | None]) -> Iterator[str]:
    """The lines of several nodes in the order of their times; None means that no line has come for a while."""
    held: list[Group] = []
    newest: dict[tuple[int, str], Group] = {}
    for line in lines:
        if line is None:
            yield from (one.shown() for one in held)
            held, newest = [], {}
            continue
        while held and (line.seconds - held[0].first.seconds > _HOLD or len(held) > _MOST):
            yield held.pop(0).shown()
        found = _RANK.match(line.text)
        rank, text = (found["rank"], line.text[found.end() :]) if found else ("", line.text)
        source = (line.node, rank)
        again = newest.get(source)
        group = again if again in held and again is not None and again.text == text else None
        group = group or next((one for one in held if one.text == text and source not in one.times), None)
        if group is None:
            group = Group(line, text)
            held.append(group)
        group.add(line, rank)
        newest[source] = group
    yield from (one.shown() for one in held)
