"""Shell scripts, read with tree-sitter's grammar of bash."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
import tree_sitter
import tree_sitter_bash

from ftc.lint.shell.conditions import in_test, is_compared
from ftc.lint.shell.script import Assignment, Command, Context, Expansion, Heredoc, Read, Script, Word
from ftc.lint.shell.words import MAX_DEPTH, NAME, TooDeepError, parameter, text_of, word_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tree_sitter import Node

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
    return _Reader(text).script(tree.root_node)


class _Reader:
    """One walk over the tree; what is found is kept in the order of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.commands: list[Command] = []
        self.assignments: list[Assignment] = []
        self.reads: list[Read] = []
        self.functions: set[str] = set()
        self.blocks = count(1)
        self.above: list[Node] = []
        self.left: frozenset[str] = frozenset()

    def script(self, root: Node) -> Script | None:
        try:
            self._visit(root, Context(), 0)
        except TooDeepError:
            return None
        calls = _call_guards(self.commands, self.functions)
        guarded = tuple(_guarded(command, calls) for command in self.commands)
        parts = (guarded, tuple(self.assignments), tuple(self.reads), frozenset(self.functions))
        return Script(self.text, *parts, mistake=_mistake(root))

    def _visit(self, node: Node, context: Context, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeepError
        handler = _HANDLERS.get(node.type)
        self.above.append(node)
        if handler is not None:
            handler(self, node, context, depth)
        else:
            self._children(node, _inside(node, context), depth)
        self.above.pop()

    def simple(self, node: Node, context: Context, depth: int) -> None:
        self._command(node, context, (), None, depth)

    def function(self, node: Node, context: Context, depth: int) -> None:
        name = text_of(node.child_by_field_name("name"), self.text)
        self.functions.add(name)
        self._children(node, _with(context, function=name), depth)

    def name(self, node: Node, context: Context, _: int) -> None:
        """In arithmetic a variable stands without `$`."""
        if self.above[-2].type in _ARITHMETIC:
            self.reads.append(Read(Expansion(text_of(node, self.text)), node.start_byte, context))

    def _children(self, node: Node, context: Context, depth: int) -> None:
        pipeline = node.type == "pipeline"
        named = node.named_children
        for child in named:
            piped = pipeline and child != named[-1]
            self._visit(child, _with(context, pipe=True) if piped else context, depth + 1)

    def _command(
        self, node: Node, context: Context, redirects: tuple[tuple[str, Word], ...], heredoc: Heredoc | None, depth: int
    ) -> None:
        words, settings = [], []
        for child in node.named_children:
            if child.type == "variable_assignment":
                settings.append(self._assignment(child, context))
            elif child.type not in ("herestring_redirect", "file_redirect", "heredoc_redirect"):
                words.append(word_of(child, self.text))
        command = Command(tuple(words), node.start_byte, context, tuple(settings), redirects, heredoc)
        if command.name in ("exit", "return", "exec"):
            self.left |= context.guards
        guards = context.guards | self.left
        self.commands.append(msgspec.structs.replace(command, context=_with(context, guards=guards)))
        if command.name in ("read", "mapfile", "readarray", "getopts"):
            self._set_by(command)
        for child in node.named_children:
            self._visit_inside(child, context, depth)

    def _set_by(self, command: Command) -> None:
        """`read NAME…` sets what it names."""
        for word in command.arguments:
            if word.text and NAME.fullmatch(word.text):
                self.assignments.append(Assignment(word.text, None, word.start, command.context))

    def _visit_inside(self, node: Node, context: Context, depth: int) -> None:
        """The variables and the commands within a word; an assignment before a command is the command's alone."""
        if node.type == "variable_assignment":
            self._children(node, context, depth + 1)
        else:
            self._visit(node, context, depth + 1)

    def redirected(self, node: Node, context: Context, depth: int) -> None:
        redirects, heredoc = self._redirects(node)
        body = node.child_by_field_name("body")
        for child in node.named_children:
            if child == body and child.type == "command":
                self._command(child, context, redirects, heredoc, depth + 1)
            else:
                self._visit(child, context, depth + 1)

    def _redirects(self, node: Node) -> tuple[tuple[tuple[str, Word], ...], Heredoc | None]:
        found: list[tuple[str, Word]] = []
        heredoc = None
        waiting = list(node.children_by_field_name("redirect"))
        while waiting:
            redirect = waiting.pop(0)
            if redirect.type == "heredoc_redirect":
                heredoc = self._heredoc(redirect)
                waiting += redirect.children_by_field_name("redirect")
                waiting += [c for c in redirect.named_children if c.type == "pipeline"]
            elif redirect.type == "file_redirect":
                target = redirect.child_by_field_name("destination")
                operator = next((c.type for c in redirect.children if c.type.startswith((">", "<", "&"))), "")
                if target is not None:
                    found.append((operator, word_of(target, self.text)))
            elif redirect.type == "pipeline":
                found += self._teed(redirect)
        return tuple(found), heredoc

    def _teed(self, pipeline: Node) -> Iterator[tuple[str, Word]]:
        """`cat <<EOF | tee FILE` writes FILE."""
        for command in pipeline.named_children:
            words = [word_of(child, self.text) for child in command.named_children]
            if words and words[0].text == "tee":
                yield from ((">", word) for word in words[1:] if not word.raw.startswith("-"))

    def _heredoc(self, node: Node) -> Heredoc | None:
        found = {child.type: child for child in node.named_children}
        start, body = found.get("heredoc_start"), found.get("heredoc_body")
        if start is None or body is None:
            return None
        value = self.text[body.start_byte : body.end_byte]
        return Heredoc(value, body.start_byte, any(mark in text_of(start, self.text) for mark in "'\"\\"))

    def conditional(self, node: Node, context: Context, depth: int) -> None:
        """The condition, then each block; `else` stands under the same condition."""
        condition = _with(context, handled=True)
        inside, now = context, condition
        for child in node.children:
            if child.type == "then":
                names = frozenset(NAME.findall(self.text[node.start_byte : child.start_byte]))
                inside = _with(context, guards=context.guards | names)
                now = self._branch(inside)
            elif child.type == "elif_clause":
                self.conditional(child, self._branch(inside), depth + 1)
            elif child.type == "else_clause":
                self._children(child, self._branch(inside), depth + 1)
            elif child.is_named:
                self._visit(child, now, depth + 1)

    def _branch(self, context: Context, sign: int = 1) -> Context:
        return _with(context, branch=(*context.branch, sign * next(self.blocks)))

    def list(self, node: Node, context: Context, depth: int) -> None:
        """`left && right`, `left || right`: the right side runs on a condition, the left one's failure is looked at."""
        chain: list[Node] = []
        current: Node | None = node
        while current is not None and current.type == "list":
            chain.append(current)
            current = current.named_children[0] if current.named_children else None
        if current is not None:
            self._visit(current, _with(context, handled=True), depth + 1)
        for link in reversed(chain):
            names = frozenset(NAME.findall(self.text[link.start_byte : link.named_children[0].end_byte][:_CHUNK]))
            chained = any(child.type == "&&" for child in link.children)
            right = self._branch(_with(context, guards=context.guards | names), -1 if chained else 1)
            last = link == node and not context.handled
            for child in link.named_children[1:]:
                self._visit(child, right if last else _with(right, handled=True), depth + 1)

    def block(self, node: Node, context: Context, depth: int) -> None:
        """A loop or a `case`: what is inside may run never, or many times."""
        loop = node.type != "case_statement"
        body = node.child_by_field_name("body")
        end = body.start_byte if body is not None else node.end_byte
        names = frozenset(NAME.findall(self.text[node.start_byte : end][:_CHUNK]))
        variable = node.child_by_field_name("variable")
        if variable is not None:
            name = text_of(variable, self.text)
            self.assignments.append(Assignment(name, None, variable.start_byte, context))
        for child in node.named_children:
            if child == body or child.type == "case_item":
                inside = _with(context, loop=loop or context.loop, guards=context.guards | names)
                self._children(child, self._branch(inside), depth + 1)
            elif child != variable:
                self._visit(child, _with(context, handled=True, loop=loop or context.loop), depth + 1)

    def declaration(self, node: Node, context: Context, depth: int) -> None:
        exported = node.type == "declaration_command" and bool(node.children) and node.children[0].type == "export"
        children = [node] if node.type == "variable_assignment" else node.named_children
        for child in children:
            if child.type == "variable_assignment":
                self.assignments.append(msgspec.structs.replace(self._assignment(child, context), exported=exported))
                self._children(child, context, depth + 1)
            elif child.type != "variable_name":
                self._visit(child, context, depth + 1)

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
                self._visit(child, context, depth + 1)


_HANDLERS: dict[str, Callable[[_Reader, Node, Context, int], None]] = {
    "command": _Reader.simple,
    "redirected_statement": _Reader.redirected,
    "if_statement": _Reader.conditional,
    "list": _Reader.list,
    **dict.fromkeys(("declaration_command", "variable_assignment", "unset_command"), _Reader.declaration),
    **dict.fromkeys(("simple_expansion", "expansion"), _Reader.expansion),
    **dict.fromkeys(("for_statement", "while_statement", "c_style_for_statement", "case_statement"), _Reader.block),
    "function_definition": _Reader.function,
    "variable_name": _Reader.name,
}
_ARITHMETIC = ("binary_expression", "unary_expression", "postfix_expression", "arithmetic_expansion", "test_command")


def _with(context: Context, **changes: Any) -> Context:
    return msgspec.structs.replace(context, **changes)


def _inside(node: Node, context: Context) -> Context:
    match node.type:
        case "command_substitution" | "process_substitution":
            return _with(context, substituted=True)
        case "subshell":
            return _with(context, subshell=True)
        case "negated_command":
            return _with(context, handled=True)
    return context


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


def _call_guards(commands: list[Command], functions: set[str]) -> dict[str, frozenset[str]]:
    """What stands in the conditions of every call of a function."""
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
