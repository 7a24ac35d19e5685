"""Parse the overrides of the command line: which can be applied, and what each means.

Their expansion has limits; the size is computed before anything is expanded.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from antlr4 import CommonTokenStream, InputStream
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.overrides_visitor import HydraOverrideVisitor
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.grammar.gen.OverrideLexer import OverrideLexer
from hydra.grammar.gen.OverrideParser import OverrideParser

from ftc.compose.files import in_own_conf, own_config
from ftc.compose.references import resolver_problems
from ftc.compose.types import key_path
from ftc.diagnostics.codes import CHOICE, NOT_AN_OVERRIDE, TOO_LARGE
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, did_you_mean
from ftc.plan.names import slug
from ftc.spec.schema import habits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftc.compose.files import Conf


# Linux accepts no longer argument. Hydra's parser takes seconds for more pieces (its time grows with the square of a
# list's length), and its recursion crashes the program on deeper nesting.
MAX_LETTERS = 131_072
MAX_PIECES = 2_000
MAX_DEPTH = 64
# As in files: no real number is longer, and Python refuses to parse one of several thousand digits.
MAX_DIGITS = 100
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"', re.DOTALL)
_QUOTES = "'\""
_DIGITS = re.compile(rf"(?<!\w)[0-9][0-9_]{{{MAX_DIGITS},}}(?!\w)")


def beyond(text: str) -> str:
    """Report the limit that an unparsed override exceeds; empty if it exceeds none."""
    if len(text) > MAX_LETTERS:
        return f"has {len(text)} characters; the limit is {MAX_LETTERS}"
    bare = _QUOTED.sub("''", text)
    pieces = len(re.findall(r"\w+|\W", bare))
    if pieces > MAX_PIECES:
        return f"has {pieces} words and signs outside of quotes; the limit is {MAX_PIECES}"
    depth = 0
    for bracket in re.findall(r"[\[({})\]]", bare):
        depth += 1 if bracket in "[({" else -1
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
    if digits := _DIGITS.search(bare):
        return f"has a number of {len(digits[0])} digits; the limit is {MAX_DIGITS}"
    return ""


class Parsed(msgspec.Struct, frozen=True):
    """An override that Hydra has parsed: one that can be applied, or the problem with it."""

    override: Override | None = None
    is_value: bool = False
    problem: Diagnostic | None = None
    further: tuple[Override, ...] = ()

    @property
    def overrides(self) -> tuple[Override, ...]:
        """Those that can be applied; a list of options gives one for each."""
        return (self.override, *self.further) if self.override else ()


def parsed(text: str, conf: Conf) -> Parsed:
    """Parse an override, each text once."""
    if text not in conf.parsed_by_hydra:
        conf.parsed_by_hydra[text] = _parsed(text, conf)
    found: Parsed = conf.parsed_by_hydra[text]
    return found


def _parsed(text: str, conf: Conf) -> Parsed:
    """Read an override; one that sets a key means `++key=value`: only the schema decides which keys exist."""
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return Parsed(problem=problem(NOT_AN_OVERRIDE, "is not UTF-8", ascii(text), "write it in UTF-8"))
    override, malformed = read(text)
    if override is None:
        return Parsed(problem=malformed)
    options, below = _listed(override), _FURTHER.get(override.key_or_group)
    if options is not None and below:
        return _several(text, options, below, conf)
    if found := _override_problem(override, text, conf):
        return Parsed(problem=found)
    if not is_value(override, conf):
        return Parsed(override)
    return Parsed(_as_value(override, text, conf.keeps_text), is_value=True)


# The groups of which a run may have several options, and the key below which the others are.
_FURTHER = {"dataset": "dataset.more"}


def _listed(override: Override) -> list[str] | None:
    """The options of `group=[a,b]`; None for any other override."""
    plain = override.type is OverrideType.CHANGE and not override.package and not override.is_sweep_override()
    value = override.value() if plain else None
    return list(map(str, value)) if isinstance(value, list) else None


def _several(text: str, options: list[str], below: str, conf: Conf) -> Parsed:
    """The first option is the one of the group; each other one gets a key, as `- group@key.NAME: option` in a file."""
    group = text.partition("=")[0].strip()
    alone = [_parsed(f"{group}={option}", conf) for option in options]
    wrong = [one.problem for one in alone if one.problem]
    if wrong:
        return Parsed(problem=msgspec.structs.replace(wrong[0], position=Position(text)))
    if "none" in options and len(options) > 1:
        rest = ",".join(one for one in options if one != "none")
        help_ = f"write {group}=none" + (f" or '{group}=[{rest}]'" if rest else "")
        return Parsed(problem=problem(CHOICE, "`none` cannot be combined with other options", text, help_))
    odd = len(set(options)) < len(options) or any(one.is_value for one in alone)
    if odd or not options:
        message = "needs different options" if options else "needs an option"
        help_ = f"write '{group}=[a,b]' with options of `{_listing(group)}`"
        return Parsed(problem=problem(CHOICE, message, text, help_))
    chosen = [read(f"+{group}@{below}.{slug(option)}={option}")[0] for option in options[1:]]
    found = [one for one in (alone[0].override, *chosen) if one]
    for one in found:
        one.input_line = text
    return Parsed(found[0], further=tuple(found[1:]))


def read(text: str) -> tuple[Override | None, Diagnostic | None]:
    """Parse an override with Hydra's grammar; return it, or the problem with it."""
    if wrong := beyond(text):
        return None, problem(TOO_LARGE, wrong, text, "put a long value in a file")
    try:
        return _parser().parse_override(text), None
    except HydraException as error:
        return None, problem(
            NOT_AN_OVERRIDE, f"is not an override: {_why(text, str(error))}", text, _how_to_write(text)
        )


# The parts of ANTLR's messages that name what it has found.
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous) input '(?P<input>.+?)' expecting|error at: '(?P<at>.+)'")


def _why(text: str, error: str) -> str:
    """The error of Hydra's parser in the words of this program."""
    key, equals, value = text.partition("=")
    if not equals:
        return "it does not have a '='"
    if re.search(r"[^\w.@/~+-]", key.strip()):
        return f"'{key.strip()}' is not a key"
    if not key.isascii():
        return f"a key on the command line cannot contain '{next(one for one in key if not one.isascii())}'"
    if opened := _not_closed(value):
        return f"the {'quote' if opened in _QUOTES else 'bracket'} {opened} is not closed"
    found = _UNEXPECTED.search(error)
    word = (found["input"] or found["at"] or "") if found else ""
    if word and word != "<EOF>":
        return f"'{word[:20]}' needs quotes around the value" if word in text else "its value needs quotes"
    return "its value cannot be read"


def _not_closed(value: str) -> str:
    """The quote or bracket of a value that lacks its end."""
    bare = _QUOTED.sub("", value)
    brackets: list[str] = []
    for sign in re.findall(r"['\"\[\]{}]", bare):
        if sign in _QUOTES:
            return str(sign)
        if sign in "[{":
            brackets.append(sign)
        elif brackets and brackets.pop() + sign not in ("[]", "{}"):
            return "{" if sign == "]" else "["
    return brackets[-1] if brackets else ""


@cache
def _parser() -> OverridesParser:
    parser = OverridesParser.create()
    del parser.functions.functions["shuffle"]  # the same overrides must give the same bytes
    return parser


def _how_to_write(text: str) -> str:
    """Explain the quotes: a value with `=`, a quote or the like needs its own quotes inside those of the shell."""
    key, equals, value = text.partition("=")
    if not equals and text.endswith((".yaml", ".yml")):
        return f"to compile your own primary config: {own_config(text)}"
    if "/" in key and "." in key:
        return "a name with dots or slashes goes into a mapping: 'labels={example.com/team: a}'"
    if not equals or not key.strip():
        return _FORMS
    if not key.isascii():
        return _IN_A_FILE
    quoted = f"{key}={_PIECE.sub(_quoted_piece, value) if value[:1] in ('[', '{') else _quoted(value)}"
    if value[:1] not in ("'", '"') and _is_override(quoted):
        return f"quote the value, and the whole override for the shell: {shlex.quote(quoted)}"
    return _FORMS if value.isascii() else _IN_A_FILE


_FORMS = "write group=option or key=value"
_IN_A_FILE = "write it into a file: a primary config, which -c chooses, or an option of a group"
# A bare word in a list or a mapping; one that is a key cannot have quotes.
_PIECE = re.compile(_QUOTED.pattern + r"|(?P<bare>(?:[^\[\]{},:]|:(?!\s))+)(?P<colon>:\s)?", re.DOTALL)


def _quoted_piece(found: re.Match[str]) -> str:
    word = (found["bare"] or "").strip()
    needs = bool(word) and not found["colon"] and not _is_override(f"a=[{word}]")
    return found[0].replace(word, _quoted(word)) if needs else found[0]


def _quoted(value: str) -> str:
    """A value in quotes of Hydra's grammar, in which a backslash escapes only a quote and itself before a quote."""
    return '"' + re.sub(r'(\\*)("|$)', lambda end: end[1] * 2 + ('\\"' if end[2] else ""), value) + '"'


def _is_override(text: str) -> bool:
    try:
        _parser().parse_override(text)
    except HydraException:
        return False
    return True


def is_value(override: Override, conf: Conf) -> bool:
    """Whether an override sets a key rather than choosing an option of a group."""
    return not override.is_delete() and (
        isinstance(override.value(), dict) or not conf.has_group(override.key_or_group)
    )


def _override_problem(override: Override, text: str, conf: Conf) -> Diagnostic | None:
    if not override.key_or_group:
        return problem(NOT_AN_OVERRIDE, "lacks a key", text, "write group=option or key=value")
    if override.package and not conf.has_group(override.key_or_group):
        help_ = did_you_mean(override.key_or_group, conf.groups(), "ftc list")
        return problem(CHOICE, f"'{override.key_or_group}' is not a group", text, help_)
    if override.is_sweep_override():
        return problem(
            CHOICE,
            "gives several values, but a job takes one",
            text,
            "give one value; quote a comma inside a string: 'key=\"a,b\"'",
        )
    if odd := _odd_key(override.value()):
        return problem(NOT_AN_OVERRIDE, f"the key {odd} is not a string", text, "put it in a file, in quotes")
    found = next(resolver_problems(override.value(), key_path(override.key_or_group), lambda _: Position(text)), None)
    if found or is_value(override, conf) or not conf.has_group(override.key_or_group):
        return found
    return _choice_problem(override, text, conf.options(override.key_or_group))


def _odd_key(value: Any) -> str:
    """Find a key that Hydra reads as a number or the like; the spec has only string keys."""
    if isinstance(value, list):
        return next(filter(None, map(_odd_key, value)), "")
    if not isinstance(value, dict):
        return ""
    odd = [str(key) for key in value if not isinstance(key, str)]
    return odd[0] if odd else _odd_key(list(value.values()))


def _choice_problem(override: Override, text: str, options: list[str]) -> Diagnostic | None:
    group = override.get_key_element().lstrip("~+")
    if override.is_delete():
        help_ = f"write {group}=…; {did_you_mean('', options, _listing(group))}"
        return problem(CHOICE, f"a run needs an option of '{group}'", text, help_)
    choice = text.partition("=")[2].strip(" '\"")
    if choice not in options:
        path = f"{group.partition('@')[0]}/{choice}"
        near = did_you_mean(choice, options, _listing(group))
        help_ = "; ".join(filter(None, (near, _custom(group, choice) if "custom" in options else "")))
        if habit := habits().get(f"{group}={choice.lower()}"):
            help_ = f"did you mean {habit}? `{_listing(habit.partition('=')[0])}` lists all"
        help_ = f"./conf/{path}.yaml exists: add --config-dir conf" if in_own_conf(path) else help_
        return problem(CHOICE, f"'{choice}' is not an option of {group}", text, help_)
    if override.is_force_add():
        return problem(CHOICE, f"'{group}' is a group, not a key", text, f"write {group}={choice}")
    return None


# What the option `custom` of a group requires besides a place.
_CUSTOM = {"model": "template=…", "dataset": "info.NAME.script_url=."}


def _custom(group: str, choice: str) -> str:
    """How to use what no option describes: a repository of a hub, a directory, or a file of a dataset."""
    rest = f"{group}.{_CUSTOM[group]}" if group in _CUSTOM else ""
    given = f"{group}.id={choice if '/' in choice else '…'}"
    if choice.startswith(("/", "./")):
        place = PurePosixPath(choice)
        given = f"source@{group}.source=path {group}.source.path="
        if group == "dataset" and place.suffix:
            given, rest = f"{given}{place.parent}", f"dataset.info.{_KEY.sub('-', place.stem)}.file_name={place.name}"
        elif group == "dataset":
            given, rest = f"{given}{choice}", "dataset.names=[NAME]"
        else:
            given = f"{group}.id=… {given}{choice}"
    return f"for any other: {group}=custom {given} {rest}".rstrip()


# Signs that a part of a key cannot have on the command line.
_KEY = re.compile(r"\W+", re.ASCII)


def _listing(group: str) -> str:
    return f"ftc list {group.partition('@')[0]}"


def _as_value(override: Override, text: str, keeps_text: Callable[[KeyPath], bool]) -> Override:
    override.type = OverrideType.FORCE_ADD
    value, path = override.value(), key_path(override.key_or_group)
    if isinstance(value, list | dict) or (isinstance(value, int | float) and keeps_text(path)):
        written = _written(text.partition("=")[2].strip())
        override._value = _where_wanted(value, written, path, keeps_text)  # noqa: SLF001 - Hydra offers no setter
    return override


class _AsWritten(HydraOverrideVisitor):
    """A visitor that keeps numbers and booleans as the user wrote them."""

    def visitPrimitive(self, ctx: OverrideParser.PrimitiveContext) -> Any:  # noqa: N802 - ANTLR's name
        value = super().visitPrimitive(ctx)
        return ctx.getText() if isinstance(value, int | float) else value

    def visitFunction(self, ctx: OverrideParser.FunctionContext) -> Any:  # noqa: N802 - the same
        """The result of a Hydra function is a value, not a string: `int(1.5)`, `sort([10,9])`."""
        return HydraOverrideVisitor(self.functions).visitFunction(ctx)


def _written(value: str) -> Any:
    return _AsWritten(_parser().functions).visit(value_tree(value))


def value_tree(value: str) -> Any:
    """Parse a value with Hydra's grammar; each node has its position in the value."""
    lexer = OverrideLexer(InputStream(value))
    lexer.mode(OverrideLexer.VALUE_MODE)
    return OverrideParser(CommonTokenStream(lexer)).value()  # type: ignore[no-untyped-call] # generated code


def _where_wanted(value: Any, written: Any, path: KeyPath, keeps_text: Callable[[KeyPath], bool]) -> Any:
    """Return the value, with the written form wherever the schema wants a string."""
    if isinstance(value, dict) and isinstance(written, dict):
        pairs = zip(value.items(), written.values(), strict=True)
        return {key: _where_wanted(inner, text, (*path, str(key)), keeps_text) for (key, inner), text in pairs}
    if isinstance(value, list) and isinstance(written, list):
        pairs = zip(value, written, strict=True)
        return [_where_wanted(inner, text, (*path, i), keeps_text) for i, (inner, text) in enumerate(pairs)]
    return written if isinstance(value, int | float) and keeps_text(path) else value


def problem(code: str, message: str, override: str, help_: str = "") -> Diagnostic:
    """A diagnostic at an override."""
    return Diagnostic(code=code, message=message, position=Position(override), help=help_)
