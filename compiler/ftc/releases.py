"""Releases of ftc: their effect on every compiled file, and the words of the changelog about it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ftc.resources import changelog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VERSION = re.compile(r'(?<=\bftc\.dev/version: )"?([^\s",}]+)"?')
SCRIPTS = re.compile(r"\bftc-scripts-[0-9a-f]{8}\b")
"""The name of the ConfigMap with ftc's scripts."""
_EMBEDDED = re.compile(r"^( *)ftc\.dev/[\w.-]+\.(?:sh|py): \|.*\n(?:(?:\1 .*)?\n)*", re.MULTILINE)
_RUNTIME = re.compile(r"^kind: TrainingRuntime\nmetadata:\n  name: (\S+)$", re.MULTILINE)
_CONFIG_MAP = re.compile(r"^kind: ConfigMap\nmetadata:\n  name: ftc-scripts-", re.MULTILINE)
_MOST = 10


class Step(NamedTuple):
    """The step from one release to another, or to another build of the same version."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"ftc {self.before} → {self.after}" if self.before != self.after else f"ftc {self.after}"


def without_release(text: str) -> str:
    """A manifest without the version of ftc and the digest of its scripts, which any release changes."""
    return SCRIPTS.sub("ftc-scripts", _VERSION.sub("", text))


def version(text: str) -> str:
    """The version of ftc that a manifest names; empty for other files."""
    found = _VERSION.search(text)
    return found[1] if found else ""


def is_scripts(text: str) -> bool:
    """Whether a file is the ConfigMap with ftc's scripts."""
    return _CONFIG_MAP.search(text) is not None


def step(before: str, after: str) -> Step | None:
    """The step between two manifests that differ; None if something else than ftc's version and scripts differs."""
    old, new = version(before), version(after)
    return Step(old, new) if old and new and _rest(before) == _rest(after) else None


def _rest(text: str) -> str:
    runtime = _RUNTIME.search(text)
    return _EMBEDDED.sub("", without_release(text.replace(runtime[1], "") if runtime else text))


def scripts_differ(before: str, after: str) -> bool:
    """Whether the scripts of two versions of a manifest differ."""
    return _VERSION.sub("", before) != _VERSION.sub("", after)


def lines(steps: Iterable[tuple[Step, bool]]) -> list[str]:
    """One line about all cases of a step, each with whether its scripts changed; then the words of the changelog."""
    cases = Counter(steps)
    return [line for one in dict.fromkeys(one for one, _ in cases) for line in _about(one, cases)]


def _about(one: Step, cases: Counter[tuple[Step, bool]]) -> Iterator[str]:
    number = cases[one, True] or cases[one, False]
    what = "scripts changed" if cases[one, True] else "only the version changed"
    yield f"{one}: {what} in {number} {'case' if number == 1 else 'cases'}"
    said = words(one)
    yield from said[:_MOST]
    if len(said) > _MOST:
        yield f"… and {len(said) - _MOST} more changes in the changelog"


_RELEASE = re.compile(r"^## (\S+).*$", re.MULTILINE)
_SECTION = re.compile(r"^### Runs on the cluster\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- (.*(?:\n  .*)*)", re.MULTILINE)


def words(one: Step) -> list[str]:
    """What the changelog says about runs on the cluster in the releases of a step, one item per line."""
    _, *rest = _RELEASE.split(changelog())
    releases = zip(rest[::2], rest[1::2], strict=True)
    between = [text for name, text in releases if _number(one.before) < _number(name) <= _number(one.after)]
    items = [item for text in between for section in _SECTION.findall(text) for item in _ITEM.findall(section)]
    return [f"- {' '.join(item.split())}" for item in items]


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", name)))
