"""A parser for shell scripts: one walk over the tree from tree-sitter's grammar of bash."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.manifests.shell.script import (
    MAX_DEPTH,
    NAME,
    Assignment,
    Command,
    Context,
    Expansion,
    Read,
    Script,
    TooDeepError,
    Word,
    in_test,
    is_compared,
    parameter,
    redirects,
    text_of,
    word_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tree_sitter import Node, Parser

# Names after this length of a condition are ignored.
_MOST_OF_A_CONDITION = 512


def walk(root: Node, text: str) -> Script | None:
    """All commands, assignments and reads; None if the script is nested too deeply."""
    walker = _Walker(text)
    try:
        walker.visit(root, Context(), 0)
    except TooDeepError:
        return None
    return walker.script()


class _Walker:
    def __init__(self, text: str) -> None:
        self.text = text
        self.commands: list[Command] = []
        self.assignments: list[Assignment] = []
        self.reads: list[Read] = []
        self.functions: set[str] = set()
        self.exported: set[str] = set()
        self.blocks = count(1)
        self.above: list[Node] = []
        self.left: frozenset[str] = frozenset()

    def script(self) -> Script:
        calls = _call_guards(self.commands, self.functions)
        guarded = tuple(_guarded(command, calls) for command in self.commands)
        exported = self.exported | {one.name for one in self.assignments if one.exported}
        names = (frozenset(self.functions), frozenset(exported))
        return Script(self.text, guarded, tuple(self.assignments), tuple(self.reads), *names)

    def visit(self, node: Node, context: Context, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeepError
        handler = _HANDLERS.get(node.type)
        self.above.append(node)
        if handler is not None:
            handler(self, node, context, depth)
        else:
            self._children(node, _inside(node, context), depth)
        self.above.pop()

    def function(self, node: Node, context: Context, depth: int) -> None:
        name = text_of(node.child_by_field_name("name"), self.text)
        self.functions.add(name)
        self._children(node, _with(context, function=name), depth)

    def name(self, node: Node, context: Context, _: int) -> None:
        """In arithmetic a variable needs no `$`."""
        if self.above[-2].type in _ARITHMETIC:
            self.reads.append(Read(Expansion(text_of(node, self.text)), node.start_byte, context))

    def _children(self, node: Node, context: Context, depth: int) -> None:
        pipeline = node.type == "pipeline"
        named = node.named_children
        for child in named:
            piped = pipeline and child != named[-1]
            self.visit(child, _with(context, pipe=True) if piped else context, depth + 1)

    def command(self, node: Node, context: Context, depth: int) -> None:
        words, settings = [], []
        for child in node.named_children:
            if child.type == "variable_assignment":
                settings.append(self._assignment(child, context))
            elif child.type not in ("herestring_redirect", "file_redirect", "heredoc_redirect"):
                words.append(word_of(child, self.text))
        outer = self.above[-2]
        plumbing = redirects(outer, self.text) if outer.type == "redirected_statement" else ((), None)
        command = Command(tuple(words), node.start_byte, context, tuple(settings), *plumbing)
        if command.name in ("exit", "return", "exec"):
            self.left |= context.guards
        guards = context.guards | self.left
        self.commands.append(msgspec.structs.replace(command, context=_with(context, guards=guards)))
        if command.name in ("read", "mapfile", "readarray", "getopts"):
            self._set_by(command)
        for child in node.named_children:
            self._visit_inside(child, context, depth)

    def _set_by(self, command: Command) -> None:
        """`read NAME…` sets its variables."""
        for word in command.arguments:
            if word.text and NAME.fullmatch(word.text):
                self.assignments.append(Assignment(word.text, None, word.start, command.context))

    def _visit_inside(self, node: Node, context: Context, depth: int) -> None:
        """The variables and commands within a word; an assignment before a command applies only to that command."""
        if node.type == "variable_assignment":
            self._children(node, context, depth + 1)
        else:
            self.visit(node, context, depth + 1)

    def conditional(self, node: Node, context: Context, depth: int) -> None:
        """The condition, then each block; `else` is under the same condition."""
        condition = _with(context, handled=True)
        inside, now = context, condition
        for child in node.children:
            if child.type == "then":
                inside = _under(self.text[node.start_byte : child.start_byte], context)
                now = self._branch(inside)
            elif child.type == "elif_clause":
                self.conditional(child, self._branch(inside), depth + 1)
            elif child.type == "else_clause":
                self._children(child, self._branch(inside), depth + 1)
            elif child.is_named:
                self.visit(child, now, depth + 1)

    def _branch(self, context: Context, sign: int = 1) -> Context:
        return _with(context, branch=(*context.branch, sign * next(self.blocks)))

    def list(self, node: Node, context: Context, depth: int) -> None:
        """`left && right`, `left || right`: the right side is conditional, the left side's failure handled."""
        chain: list[Node] = []
        current: Node | None = node
        while current is not None and current.type == "list":
            chain.append(current)
            current = current.named_children[0] if current.named_children else None
        if current is not None:
            self.visit(current, _with(context, handled=True), depth + 1)
        for link in reversed(chain):
            condition = self.text[link.start_byte : link.named_children[0].end_byte][:_MOST_OF_A_CONDITION]
            chained = any(child.type == "&&" for child in link.children)
            right = self._branch(_under(condition, context), -1 if chained else 1)
            last = link == node and not context.handled
            for child in link.named_children[1:]:
                self.visit(child, right if last else _with(right, handled=True), depth + 1)

    def block(self, node: Node, context: Context, depth: int) -> None:
        """A loop or a `case`: its body may run never, or many times."""
        loop = node.type != "case_statement"
        body = node.child_by_field_name("body")
        end = body.start_byte if body is not None else node.end_byte
        condition = self.text[node.start_byte : end][:_MOST_OF_A_CONDITION]
        variable = node.child_by_field_name("variable")
        if variable is not None:
            name = text_of(variable, self.text)
            self.assignments.append(Assignment(name, None, variable.start_byte, context))
        for child in node.named_children:
            if child == body or child.type == "case_item":
                inside = _with(_under(condition, context), loop=loop or context.loop)
                self._children(child, self._branch(inside), depth + 1)
            elif child != variable:
                self.visit(child, _with(context, handled=True, loop=loop or context.loop), depth + 1)

    def declaration(self, node: Node, context: Context, depth: int) -> None:
        exported = node.type == "declaration_command" and _exports(node, self.text)
        children = [node] if node.type == "variable_assignment" else node.named_children
        for child in children:
            if child.type == "variable_assignment":
                self.assignments.append(msgspec.structs.replace(self._assignment(child, context), exported=exported))
                self._children(child, context, depth + 1)
            elif child.type != "variable_name":
                self.visit(child, context, depth + 1)
            elif exported:
                self.exported.add(text_of(child, self.text))

    def _assignment(self, node: Node, context: Context) -> Assignment:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        word = Word(("",), "", node.end_byte) if value is None else word_of(value, self.text)
        return Assignment(text_of(name, self.text).partition("[")[0], word, node.start_byte, context)

    def expansion(self, node: Node, context: Context, depth: int) -> None:
        expansion = parameter(node, self.text)
        if expansion is not None:
            tested = in_test(self.above, self.text) and not expansion.operator
            compared = is_compared(self.above, self.text)
            self.reads.append(Read(expansion, node.start_byte, context, tested, compared))
        for child in node.named_children:
            if child.type not in ("variable_name", "special_variable_name"):
                self.visit(child, context, depth + 1)


_HANDLERS: dict[str, Callable[[_Walker, Node, Context, int], None]] = {
    "command": _Walker.command,
    "if_statement": _Walker.conditional,
    "list": _Walker.list,
    **dict.fromkeys(("declaration_command", "variable_assignment", "unset_command"), _Walker.declaration),
    **dict.fromkeys(("simple_expansion", "expansion"), _Walker.expansion),
    **dict.fromkeys(("for_statement", "while_statement", "c_style_for_statement", "case_statement"), _Walker.block),
    "function_definition": _Walker.function,
    "variable_name": _Walker.name,
}


_ARITHMETIC = ("binary_expression", "unary_expression", "postfix_expression", "arithmetic_expansion", "test_command")


def _exports(node: Node, text: str) -> bool:
    """`export …`, `declare -x …`."""
    first = node.children[0].type if node.children else ""
    flags = {text_of(child, text) for child in node.named_children if child.type == "word"}
    return (first == "export" and "-n" not in flags) or "-x" in flags


def _with(context: Context, **changes: Any) -> Context:
    return msgspec.structs.replace(context, **changes)


def _under(condition: str, context: Context) -> Context:
    return _with(context, guards=context.guards | frozenset(NAME.findall(condition)))


def _inside(node: Node, context: Context) -> Context:
    match node.type:
        case "command_substitution" | "process_substitution":
            return _with(context, substituted=True)
        case "subshell":
            return _with(context, subshell=True)
        case "negated_command":
            return _with(context, handled=True)
    return context


def _call_guards(commands: list[Command], functions: set[str]) -> dict[str, frozenset[str]]:
    """The identifiers in the conditions of every call of a function."""
    calls: dict[str, frozenset[str]] = {}
    for command in commands:
        if command.name in functions:
            guards = command.context.guards
            calls[command.name] = calls.get(command.name, guards) & guards
    return calls


def _guarded(command: Command, calls: dict[str, frozenset[str]]) -> Command:
    added = calls.get(command.context.function, frozenset())
    context = _with(command.context, guards=command.context.guards | added)
    return msgspec.structs.replace(command, context=context) if added else command


# The parser takes quadratic time for text that it cannot parse. Real scripts are within these limits; larger ones are
# not parsed.
MAX_LENGTH = 64_000


_MAX_TOKENS = {"|": 500, "(": 1_000, "[": 2_000, "{": 1_000, "<<": 200, "&": 1_000, ";": 1_000, "\n": 2_000, "$": 2_000}


_CHUNK = 512


# Pods of one job often have the same script.
_KEPT = 16


@cache
def _parser() -> Parser:
    import tree_sitter  # noqa: PLC0415 - compile does not parse scripts
    import tree_sitter_bash  # noqa: PLC0415 - the same

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@lru_cache(maxsize=_KEPT)
def parse(text: str) -> Script | None:
    """Parse a script; None if it is too large or too complex."""
    if len(text) > MAX_LENGTH or any(text.count(what) > most for what, most in _MAX_TOKENS.items()):
        return None
    # One byte per character, so that byte offsets are character offsets.
    letters = re.sub(r"[^\x00-\x7f]", "_", text).encode()
    reads, most = count(1), 100 + 4 * len(letters) // _CHUNK

    def read(offset: int, _: object) -> bytes:
        return letters[offset : offset + _CHUNK] if next(reads) <= most else b""

    tree = _parser().parse(read)
    if next(reads) > most:
        return None
    script = walk(tree.root_node, text)
    return script and msgspec.structs.replace(script, mistake=_mistake(tree.root_node))


def _mistake(root: Node) -> int | None:
    """The offset of the first syntax error, if any."""
    if not root.has_error:
        return None
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            return node.start_byte
        waiting += reversed([child for child in node.children if child.has_error or child.is_missing])
    return None
