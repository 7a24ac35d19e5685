"""Locate the data that ships with ftc: next to the package in a wheel, at the repository's root in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def directory(name: str) -> Path:
    """The shipped directory `name` (`conf`, `schemas`, `scripts`, or the part of `tests` that pages show)."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent.parent / name


def are_files() -> bool:
    """Whether the data can be read; a package in a zip lacks directories."""
    return directory("conf").is_dir()


SHIPPED = "<ftc>/"
"""The directory of the shipped data in messages; its real path depends on the installation."""


def located(source: str) -> Path:
    """The file that a message names."""
    if not source.startswith(f"{SHIPPED}conf/"):
        return Path(source)
    return directory("conf") / source.removeprefix(f"{SHIPPED}conf/")


@cache
def script(name: str) -> str:
    """The text of a script that runs in the pod."""
    return (directory("scripts") / name).read_text(encoding="utf-8")
