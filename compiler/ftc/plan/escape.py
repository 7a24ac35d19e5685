"""Escape text that Kubernetes must pass on unchanged."""

from __future__ import annotations


def literal(text: str) -> str:
    """`text` escaped for an argument or a variable's value, in which Kubernetes expands `$(NAME)` and `$$`.

    Source: Kubernetes, third_party/forked/golang/expansion/expand.go.
    """
    return text.replace("$", "$$") if "$$" in text or "$(" in text else text
