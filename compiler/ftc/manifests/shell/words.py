"""The words of a script: literal text, variables, tests and redirections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.manifests.shell.script import Expansion, Heredoc, Part, Redirect, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

# Real scripts are not nested deeper.
MAX_DEPTH = 100


NAME = re.compile(r"[A-Za-z_]\w*")


class TooDeepError(Exception):
    """A script that is nested too deeply."""


def text_of(node: Node | None, text: str) -> str:
    """The text of a node."""
    return text[node.start_byte : node.end_byte] if node is not None else ""


def word_of(node: Node, text: str) -> Word:
    """A node as a word of a command."""
    return Word(tuple(_parts(node, text, 0)), text_of(node, text), node.start_byte)


def parameter(node: Node, text: str) -> Expansion | None:
    """`$NAME` or `${NAME…}`; None for `$1` and the like."""
    name, operator, rest = None, "", []
    for child in node.children:
        if child.type in ("variable_name", "subscript"):
            name = name or NAME.match(text_of(child, text))
        elif child.is_named:
            rest.append(text_of(child, text))
        elif child.type not in ("$", "${", "}"):
            operator = operator or child.type
    return Expansion(name[0], operator, "".join(rest) if operator else None) if name else None


def _parts(node: Node, text: str, depth: int) -> Iterator[Part]:
    own = text_of(node, text)
    match node.type:
        case _ if depth > MAX_DEPTH:
            raise TooDeepError
        case "word" | "number" | "string_content" | "variable_name" | "extglob_pattern" | "regex":
            yield re.sub(r"\\(.)", r"\1", own, flags=re.DOTALL) if node.type == "word" else own
        case "raw_string":
            yield own[1:-1]
        case "command_name" | "string" | "concatenation":
            yield from _pieces(node, text, depth)
        case "simple_expansion" | "expansion":
            yield parameter(node, text)
        case _:
            yield None


def _pieces(node: Node, text: str, depth: int) -> Iterator[Part]:
    """The parts of the children; in a string also the blanks between them, which are not in a child."""
    end = node.start_byte + (node.type == "string")
    for child in node.named_children:
        if child.start_byte > end:
            yield text[end : child.start_byte]
        yield from _parts(child, text, depth + 1)
        end = child.end_byte


def in_test(above: list[Node], text: str) -> bool:
    """Whether a variable is only tested for being set: `[ -n "$A" ]`, `[ "$A" = "" ]`, `[ "$A" ]`."""
    inner, parent = above[-1], above[-2]
    if parent.type == "string":
        inner, parent = parent, above[-3]
    if parent.type not in ("test_command", "unary_expression", "binary_expression"):
        return False
    if parent.type == "test_command":
        return True
    operator = parent.child_by_field_name("operator")
    said = text_of(operator, text)
    if parent.type == "unary_expression":
        return said in ("-n", "-z")
    others = [text_of(child, text) for child in parent.named_children if child not in (inner, operator)]
    return said in ("=", "==", "!=") and others in (['""'], ["''"])


_NUMERIC = ("-eq", "-ne", "-gt", "-ge", "-lt", "-le")


def is_compared(above: list[Node], text: str) -> bool:
    """Whether it is compared as a number, `[ "$A" -gt 1 ]`; in `[[ … ]]` an empty value is 0."""
    outer = [node for node in above[-4:-1] if node.type in ("binary_expression", "test_command")]
    if [node.type for node in outer] != ["test_command", "binary_expression"]:
        return False
    operator = text_of(outer[1].child_by_field_name("operator"), text)
    return operator in _NUMERIC and not text.startswith("[[", outer[0].start_byte)


def redirects(node: Node, text: str) -> tuple[tuple[Redirect, ...], Heredoc | None]:
    """The redirections of a command, and its here-document."""
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
