"""Known errors in the logs of a run: the hubs, the scripts of ftc, the trainer, NCCL and HCCL."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from ftc.cluster.cause import Remedy
from ftc.resources import directory

# A script of ftc, or torchrun, that only reports that a step has failed.
SUMMARY = re.compile(
    r"ftc: error: \S+ ended with status \d+ on node \d+|ftc: error: \S+: stopped by a signal|\bChildFailedError\b"
)


class Known(msgspec.Struct, frozen=True):
    """An error that logs state in these words; `text` may use the groups of its patterns.

    `follows` means that another process has usually failed before.
    """

    kind: str
    text: str
    patterns: tuple[str, ...]
    remedies: tuple[Remedy, ...]
    follows: bool = False

    def found(self, lines: list[str]) -> tuple[str, dict[str, str]] | None:
        """The line that one of the patterns matches, and its groups; the first pattern has the first say."""
        for pattern in self.patterns:
            search = re.compile(pattern).search
            for line in lines:
                match = search(line)
                if match:
                    return line, {key: value for key, value in match.groupdict().items() if value}
        return None


@cache
def known_errors() -> tuple[Known, ...]:
    """All known errors, the most specific first. Source: schemas/log_errors.json."""
    file = directory("schemas") / "log_errors.json"
    return msgspec.json.decode(file.read_bytes(), type=tuple[Known, ...])
