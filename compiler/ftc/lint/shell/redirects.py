"""Where the output of a command goes, and what it is given to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.lint.shell.script import Heredoc
from ftc.lint.shell.words import text_of, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from ftc.lint.shell.script import Redirect


def redirects(node: Node, text: str) -> tuple[tuple[Redirect, ...], Heredoc | None]:
    """Where the input and output of a command go, and the lines that it is given."""
    found: list[Redirect] = []
    heredoc = None
    waiting = list(node.children_by_field_name("redirect"))
    while waiting:
        redirect = waiting.pop(0)
        if redirect.type == "heredoc_redirect":
            heredoc = _heredoc(redirect, text)
            waiting += redirect.children_by_field_name("redirect")
            waiting += [c for c in redirect.named_children if c.type == "pipeline"]
        elif redirect.type == "file_redirect":
            target = redirect.child_by_field_name("destination")
            operator = next((c.type for c in redirect.children if c.type.startswith((">", "<", "&"))), "")
            if target is not None:
                found.append((operator, word_of(target, text)))
        elif redirect.type == "pipeline":
            found += _teed(redirect, text)
    return tuple(found), heredoc


def _teed(pipeline: Node, text: str) -> Iterator[Redirect]:
    """`cat <<EOF | tee FILE` writes FILE."""
    for command in pipeline.named_children:
        words = [word_of(child, text) for child in command.named_children]
        if words and words[0].text == "tee":
            yield from ((">", word) for word in words[1:] if not word.raw.startswith("-"))


def _heredoc(node: Node, text: str) -> Heredoc | None:
    found = {child.type: child for child in node.named_children}
    start, body = found.get("heredoc_start"), found.get("heredoc_body")
    if start is None or body is None:
        return None
    value = text[body.start_byte : body.end_byte]
    return Heredoc(value, body.start_byte, any(mark in text_of(start, text) for mark in "'\"\\"))
