"""The models that conf/model and the trainer know."""

from __future__ import annotations

import re
from functools import cache

from ftc.resources import directory
from ftc.source import read
from ftc.trainer import release

_DIGEST = re.compile(r"-[0-9a-f]{8}$")
"""What ftc adds to the name of a directory that it downloads to."""


@cache
def named_by(path: str) -> str:
    """The id of the model that a directory is named after; what is not a directory is its own id."""
    if not path.startswith(("/", "./", "../", "~")):
        return path
    name = path.rstrip("/").rpartition("/")[2]
    known = [model for models in release.data(release.pairs()[-1])["models"].values() for model in models]
    wanted = {_letters(name), _letters(_DIGEST.sub("", name))}
    return next((model for model in known if _letters(model.rpartition("/")[2]) in wanted), path)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold())


@cache
def context_length(model: str) -> int | None:
    """The longest text that a model was made for; None if conf/model does not know the model."""
    for file in sorted((directory("conf") / "model").glob("*.yaml")):
        if f"id: {model}\n" in file.read_text(encoding="utf-8"):
            document, _ = read(file, file.name)
            data = document.data if document is not None else {}
            length = (data.get("architecture") or {}).get("context_length")
            return length if isinstance(length, int) else None
    return None
