"""What a condition of the shell asks of a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.lint.shell.words import text_of

if TYPE_CHECKING:
    from tree_sitter import Node


def in_test(above: list[Node], text: str) -> bool:
    """Whether it is only asked if there is something: `[ -n "$A" ]`, `[ "$A" = "" ]`, `[ "$A" ]`."""
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
    """Whether it is a number in `[ "$A" -gt 1 ]`; in `[[ … ]]` nothing stands for 0."""
    outer = [node for node in above[-4:-1] if node.type in ("binary_expression", "test_command")]
    if [node.type for node in outer] != ["test_command", "binary_expression"]:
        return False
    operator = text_of(outer[1].child_by_field_name("operator"), text)
    return operator in _NUMERIC and not text.startswith("[[", outer[0].start_byte)
