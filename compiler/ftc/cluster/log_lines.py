"""The lines of a container's log: read as they arrive, and continued after a connection that broke.

Identical lines of several ranks become one line.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.cluster.server import BrokenError, ServerError
from ftc.cluster.snapshot import parsed
from ftc.diagnostics.printable import STARS, escaped, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ftc.cluster.server import Server


# A line may have any length; the rest of a longer one is not kept.
_LONGEST_LINE, _STAMP = 64 * 1024, 40
# Seconds without a line after which a connection is replaced: it may be dead.
_SILENCE = 60.0
_WAITS = (0.5, 1, 2, 4, 8)
# The pod is gone, or may not be read.
_REFUSED = (400, 401, 403, 404)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_KEY = 120
_KEY_BEGINS, _KEY_ENDS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), re.compile(r"-----END [A-Z ]*PRIVATE KEY")


class LogLine(msgspec.Struct, frozen=True):
    """A line of a log, printable and without secrets; `is_note` marks what ftc says about the node.

    `seconds` is the time of the line since 1970, by the clock of the node.
    """

    node: int
    container: str
    text: str
    seconds: float = 0.0
    is_note: bool = False


class Source(NamedTuple):
    """The log of a container."""

    node: int
    pod: str
    container: str


class Reader:
    """Reads one log, if necessary over several connections, and yields each line once."""

    def __init__(self, server: Server, source: Source, since: int = 0) -> None:
        self.source = source
        self._server, self._since = server, since
        self._position = _Position()
        self._path = f"/api/v1/namespaces/{server.namespace}/pods/{source.pod}/log"
        self._key_lines = 0

    def lines(self) -> Iterator[LogLine]:
        """The lines that are there now."""
        for wait in (*_WAITS, 0):
            try:
                yield from self._connection(follow=False)
            except BrokenError:
                if not wait:
                    raise
                pause(wait)
            else:
                return

    def followed(self, is_running: Callable[[], bool]) -> Iterator[LogLine]:
        """The lines as they come, until the container ends."""
        failures = 0
        while True:
            try:
                yield from self._connection(follow=True)
                failures = 0
            except BrokenError:
                failures = 0
            except ServerError as error:
                if error.status in _REFUSED or failures == len(_WAITS):
                    raise
                failures += 1
            if not is_running():
                yield from self.lines()
                return
            pause(_WAITS[max(failures - 1, 0)])

    def _connection(self, *, follow: bool) -> Iterator[LogLine]:
        query: dict[str, str | int] = {"container": self.source.container, "timestamps": "true"}
        query |= {"follow": "true"} if follow else {}
        since = self._position.resumed()
        query |= {"sinceTime": since} if since else {"sinceSeconds": self._since} if self._since else {}
        for raw in whole_lines(self._server.stream(self._path, query, _SILENCE)):
            line = stamped(raw)
            if self._position.is_new(line):
                text = self._safe(line.text)
                yield LogLine(self.source.node, self.source.container, text, line.seconds or self._position.last)

    def _safe(self, text: str) -> str:
        """Without secrets, also if a private key has several lines, and without what moves the cursor."""
        in_key = self._key_lines > 0
        if _KEY_BEGINS.search(text):
            self._key_lines = _LONGEST_KEY
        if _KEY_ENDS.search(text):
            self._key_lines = 0
        self._key_lines -= self._key_lines > 0
        return STARS if in_key else escaped(redacted(_COLOUR.sub("", text).expandtabs(4)))


def pause(seconds: float) -> None:
    """Wait before the next connection."""
    from time import sleep  # noqa: PLC0415 - only after a failure

    sleep(seconds)


def whole_lines(chunks: Iterable[bytes], longest: int = _LONGEST_LINE) -> Iterator[bytes]:
    """The lines in pieces of a log; one without an end counts only if the log ends there."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > longest:
            rest = _shortened(rest)
    if rest:
        yield rest


def _shortened(line: bytes) -> bytes:
    """The beginning of a line that has not ended; of a progress bar, its time and its newest state."""
    stamp, newest = line.partition(b" ")[0][:_STAMP], line.rpartition(b"\r")[2]
    return stamp + b" " + newest if b"\r" in line and len(newest) < _LONGEST_LINE else line[:_LONGEST_LINE]


class _Stamped(NamedTuple):
    """A line with its time, as the server writes it and in seconds (0 without one)."""

    stamp: str
    seconds: float
    text: str


def stamped(raw: bytes) -> _Stamped:
    """The time and the text of a line, as a terminal shows it after a carriage return."""
    line = raw.decode("utf-8", errors="replace")
    stamp, _, text = line.partition(" ")
    try:
        seconds = parsed(stamp).timestamp()
    except ValueError:
        stamp, seconds, text = "", 0.0, line
    parts = [part for part in text.split("\r") if part.strip()]
    return _Stamped(stamp, seconds, parts[-1].rstrip() if parts else "")


class _Position:
    """How many lines had each time of the last two seconds, so that a new connection neither repeats nor loses one.

    The API server takes whole seconds only, and lines of stdout and stderr may be slightly out of order.
    """

    def __init__(self) -> None:
        self.last = 0.0
        self._seen: dict[int, Counter[str]] = {}
        self._again: Counter[str] = Counter()

    def resumed(self) -> str:
        """The time from which a new connection has to read; empty for the first one."""
        self._again = sum(self._seen.values(), Counter())
        return datetime.fromtimestamp(int(self.last) - 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self.last else ""

    def is_new(self, line: _Stamped) -> bool:
        """Whether a line was not read before."""
        if self._again[line.stamp] > 0:
            self._again[line.stamp] -= 1
            return False
        self.last = max(self.last, line.seconds)
        kept = int(self.last) - 1
        if line.stamp:
            self._seen.setdefault(max(int(line.seconds), kept), Counter())[line.stamp] += 1
        self._seen = {second: found for second, found in self._seen.items() if second >= kept}
        return True


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
