"""Text that Kubernetes must hand on unchanged."""

from __future__ import annotations


def literal(text: str) -> str:
    """`text` as an argument or a variable's value: Kubernetes expands `$(NAME)` and turns `$$` into `$` there.

    Source: Kubernetes, third_party/forked/golang/expansion/expand.go.
    """
    return text.replace("$", "$$") if "$$" in text or "$(" in text else text
