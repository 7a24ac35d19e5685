"""`python -m fuzz`: run many inputs, count them, and show what fails.

python -m fuzz --number 100000 --processes 2000 --seed 1
python -m fuzz --seed 1 --show diff:4711
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import NamedTuple

from fuzz.kinds import KINDS, Input, make
from fuzz.run import as_process, in_process, shrunk


class Row(NamedTuple):
    """A kind, the number of inputs run and failed, and the time taken."""

    kind: str
    run: int
    failed: int
    seconds: float


def main() -> None:
    """Run what the command line asks for; exit with 1 if an input fails."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--number", type=int, default=1000, help="inputs in process, of all kinds together")
    parser.add_argument("--processes", type=int, default=0, help="inputs through the command line")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind")
    parser.add_argument("--show", metavar="KIND:NUMBER", help="print an input, and run it")
    given = parser.parse_args()
    if given.show:
        kind, _, number = given.show.partition(":")
        _show(make(kind, int(number), given.seed))
        return
    kinds = given.kind or list(KINDS)
    rows = [_in_process(kind, given.number // len(kinds), given.seed) for kind in kinds]
    rows += [_as_processes(kind, given.processes // len(kinds), given.seed) for kind in kinds if given.processes]
    _table(rows)
    sys.exit(any(row.failed for row in rows))


def _in_process(kind: str, count: int, seed: int) -> Row:
    began = time.monotonic()
    inputs = [make(kind, index, seed) for index in range(count)]
    seen: Counter[str] = Counter()
    for failure in in_process(inputs):
        last = failure.what.strip().splitlines()[-1][:120]
        seen[last] += 1
        if seen[last] == 1:
            _tell(f"{kind}:{failure.number}", inputs[failure.number], failure.what)
    row = Row(kind, count, sum(seen.values()), time.monotonic() - began)
    print(f"-- {kind}: {row.run} run, {row.failed} failed", flush=True)  # noqa: T201 - this is a program
    return row


def _as_processes(kind: str, count: int, seed: int) -> Row:
    began = time.monotonic()
    failed = 0
    for index in range(count):
        one = make(kind, index, seed)
        what = as_process(one)
        failed += bool(what)
        if what:
            _tell(f"{kind}:{index} (process)", one, what)
    return Row(f"{kind} (process)", count, failed, time.monotonic() - began)


def _tell(name: str, one: Input, what: str) -> None:
    print(f"== {name}\n{what.strip()}", flush=True)  # noqa: T201 - this is a program
    if "worker ended" not in what:
        last = what.strip().splitlines()[-1][:40]
        one = shrunk(one, lambda other: any(last in found.what for found in in_process([other])))
    _write(one)


def _write(one: Input) -> None:
    print(f"   ftc {' '.join(map(ascii, one.argv))}", flush=True)  # noqa: T201 - this is a program
    for file, content in one.files.items():
        print(f"   {file!a}: {content[:600]!r}", flush=True)  # noqa: T201 - this is a program


def _show(one: Input) -> None:
    _write(one)
    for failure in in_process([one]):
        print(failure.what)  # noqa: T201 - this is a program


def _table(rows: list[Row]) -> None:
    print(f"{'kind':24}{'run':>8}{'failed':>8}{'seconds':>9}")  # noqa: T201 - this is a program
    for row in rows:
        print(f"{row.kind:24}{row.run:8}{row.failed:8}{row.seconds:9.0f}")  # noqa: T201 - this is a program
    total, failed = sum(row.run for row in rows), sum(row.failed for row in rows)
    print(f"{'all':24}{total:8}{failed:8}{sum(row.seconds for row in rows):9.0f}")  # noqa: T201 - this is a program


if __name__ == "__main__":
    main()
