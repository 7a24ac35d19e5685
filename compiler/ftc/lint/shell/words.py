"""The words of a script: their letters, and the variables in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.lint.shell.script import Expansion, Part, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

# No script that anybody wrote nests deeper.
MAX_DEPTH = 100
NAME = re.compile(r"[A-Za-z_]\w*")


class TooDeepError(Exception):
    """A script that nests like no script does."""


def text_of(node: Node | None, text: str) -> str:
    """The letters of a node."""
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
    """The parts of the children; in a string also the blanks between them, which belong to no child."""
    end = node.start_byte + (node.type == "string")
    for child in node.named_children:
        if child.start_byte > end:
            yield text[end : child.start_byte]
        yield from _parts(child, text, depth + 1)
        end = child.end_byte
