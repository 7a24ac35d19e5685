"""Locate what ships with ftc: data next to the package or in the repository, scripts, and docstrings."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


@cache
def directory(name: str) -> Path:
    """The shipped directory `name` (`conf`, `schemas`, `scripts`)."""
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


def all_scripts() -> dict[str, str]:
    """The texts of all scripts that may run in a pod, by file name."""
    files = sorted(directory("scripts").iterdir())
    return {file.name: script(file.name) for file in files if file.suffix in (".py", ".sh") and file.stem != "__init__"}


@cache
def changelog() -> str:
    """The text of the changelog; empty if it is not installed."""
    places = (_PACKAGE / "CHANGELOG.md", _PACKAGE.parent.parent / "CHANGELOG.md")
    return next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")


def docstring(definition: Any) -> str:
    """The docstring of a function or class of a module, even if the module was loaded from a zip."""
    if definition.__doc__:
        return str(definition.__doc__)
    return _written(definition.__module__).get(definition.__qualname__, "")


@cache
def _written(module: str) -> dict[str, str]:
    """The docstrings of a module's own functions and classes."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    own = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    return {one.name: ast.get_docstring(one, clean=False) or "" for one in own}


def docstrings_of_fields(definition: type) -> dict[str, str]:
    """The docstrings below the fields of a class, each on one line."""
    tree = ast.parse(inspect.getsource(sys.modules[definition.__module__]))
    (own,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == definition.__name__)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(own.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
