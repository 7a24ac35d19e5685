"""Shell scripts, read with tree-sitter's grammar of bash."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING

import msgspec
import tree_sitter
import tree_sitter_bash

from ftc.lint.shell.walk import walk

if TYPE_CHECKING:
    from tree_sitter import Node

    from ftc.lint.shell.script import Script

# The parser's time grows with the square of what it cannot make sense of. No script that anybody wrote is beyond these;
# one that is goes unread.
MAX_LENGTH = 64_000
_MOST = {"|": 500, "(": 1_000, "[": 2_000, "{": 1_000, "<<": 200, "&": 1_000, ";": 1_000, "\n": 2_000, "$": 2_000}
_CHUNK = 512
# A script is asked for by each rule, and by each pod of its kind.
KEPT = 256


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@lru_cache(maxsize=KEPT)
def parse(text: str) -> Script | None:
    """Read a script; None where it is too large or too odd to be read."""
    if len(text) > MAX_LENGTH or any(text.count(what) > most for what, most in _MOST.items()):
        return None
    # One letter for one letter, so that the parser's bytes are our characters.
    letters = re.sub(r"[^\x00-\x7f]", "_", text).encode()
    asked, most = count(1), 100 + 4 * len(letters) // _CHUNK

    def read(offset: int, _: object) -> bytes:
        return letters[offset : offset + _CHUNK] if next(asked) <= most else b""

    tree = _parser().parse(read)
    if next(asked) > most:
        return None
    script = walk(tree.root_node, text)
    return script and msgspec.structs.replace(script, mistake=_mistake(tree.root_node))


def _mistake(root: Node) -> int | None:
    """The first place that is no shell, where the tree has one."""
    if not root.has_error:
        return None
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            return node.start_byte
        waiting += reversed([child for child in node.children if child.has_error or child.is_missing])
    return None
