"""The Python API: a directive of mkdocstrings for each public name."""

from __future__ import annotations

import inspect

import ftc
from reference.markdown import page


def pages() -> dict[str, str]:
    """The page of the API."""
    names = [name for name in ftc.__all__ if not name.startswith("__")]
    parts = [_described(name) for name in sorted(names, key=str.lower)]
    return {"api.md": page("Python API", inspect.cleandoc(ftc.__doc__ or ""), *parts)}


def _described(name: str) -> str:
    module = getattr(ftc, name).__module__
    return f'<a id="ftc.{name}"></a>\n\n::: {module}.{name}\n    options:\n      heading: ftc.{name}\n      toc_label: {name}'
