"""Read docstrings from the source, because `python -OO` drops them; pages, help and schemas are made of them."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from typing import Any


def of(definition: Any) -> str:
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
