"""Write values as YAML that every parser, of YAML 1.1 or 1.2, reads as the same values, and read it back.

Pieces that were written or read before are cached. What is read shares cached parts, and must not be changed.
"""

from __future__ import annotations

import marshal
import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from ftc.patterns import lazily

if TYPE_CHECKING:
    from collections.abc import Iterator


# Text that some parser (PyYAML, go-yaml, npm's yaml, in 1.1 or 1.2 mode) reads as something other than a string.
_AMBIGUOUS = lazily(
    r"""
      | ~ | null | Null | NULL | = | <<
      | y | Y | n | N | yes | Yes | YES | no | No | NO | on | On | ON | off | Off | OFF
      | true | True | TRUE | false | False | FALSE
      | [-+]? \. (?: inf | Inf | INF ) | \. (?: nan | NaN | NAN )
      | [-+]? 0 [bB] [01_]+
      | [-+]? 0 [oO] [0-7_]+
      | [-+]? 0 [xX] [0-9a-fA-F_]+
      | [-+]? (?: [0-9] [0-9_]* )? (?: : [0-5]? [0-9] )* (?: \. [0-9_]* )? (?: [eE] [-+]? [0-9]+ )?
      | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} (?: (?: [Tt] | [\ \t]+ ) [0-9]{1,2} : [0-9]{2} .* )?
    """,
    re.VERBOSE,
)
# Characters that some parser does not preserve in a plain or block scalar.
_UNSAFE = lazily("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


# A collection of at most this many characters is written on one line, so that a variable or a mount takes one line.
_ONE_LINE = 100


class _Dumper(yaml.CSafeDumper):
    """libyaml's emitter; no aliases, keys in their own order, small collections on one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the name and the parameter are PyYAML's
        return True

    def represent(self, data: Any) -> None:
        node = self.represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = not node.value
        self.serialize(node)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = sum(_width(part) + 2 for pair in node.value for part in pair) <= _ONE_LINE
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        scalars = all(isinstance(item, yaml.ScalarNode) for item in node.value)
        node.flow_style = scalars and sum(_width(item) + 2 for item in node.value) <= _ONE_LINE
        return node


def _width(node: yaml.Node) -> int:
    """The width of a node on one line; a node of several lines is wider than any limit."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) if "\n" not in node.value else _ONE_LINE + 1
    if not isinstance(node, yaml.CollectionNode) or not node.flow_style:
        return _ONE_LINE + 1
    parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return sum(_width(part) + 2 for part in parts)


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _AMBIGUOUS.fullmatch(text) or _is_unsafe(text) or ("'" in text and "\n" not in text):
        style = '"'
    elif "\n" in text:
        style = "|" if text.strip() and not re.search(r"[ \t](\n|$)", text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_unsafe(text: str) -> bool:
    """Whether some parser does not preserve a character of a text."""
    if text.isascii():  # as most manifests are; the pattern takes long to compile
        return not text.replace("\n", "").isprintable()
    return _UNSAFE.search(text) is not None


def _represent_float(dumper: yaml.CSafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", _float(value))


def _float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is not itself
        return {"inf": ".inf", "-inf": "-.inf"}.get(repr(value), ".nan")
    plain = repr(value)
    if "e" not in plain and (value == 0 or abs(value) >= 1e-3):  # noqa: PLR2004 - 0.001 reads well, 0.0001 does not
        return plain
    sign, digits, exponent = Decimal(plain).normalize().as_tuple()
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}e{int(exponent) + len(digits) - 1:+d}"


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(tuple, lambda dumper, value: dumper.represent_list(value))


class _OneLineDumper(_Dumper):
    """The same values on a single line."""

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> yaml.ScalarNode:
        return super().represent_scalar(tag, value, '"' if style == "|" else style)

    def represent(self, data: Any) -> None:
        self.serialize(_in_flow(self.represent_data(data)))


def _in_flow(node: yaml.Node) -> yaml.Node:
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = True
        for part in node.value:
            for inner in part if isinstance(part, tuple) else (part,):
                _in_flow(inner)
    return node


def on_one_line(value: Any) -> str:
    """Write a collection as one line, without a line break at its end."""
    text: str = yaml.dump(value, Dumper=_OneLineDumper, sort_keys=False, allow_unicode=True, width=2**20)
    return text.removesuffix("\n")


# A collection that marshal packs into more bytes than this does not fit on one line.
_PIECE = 1000


def dump(value: Any) -> str:
    """Write one YAML document without markers.

    It is written in pieces, which are cached: two compiles of a matrix share most of their lines.
    """
    return _below(value, 0) if value and isinstance(value, dict) else _dump(value)


def _lines(one: Any, indent: int) -> str:
    """Write the lines of a mapping of one key, or of a list of one item."""
    packed = marshal.dumps(one, 2)
    ((key, inner),) = one.items() if isinstance(one, dict) else ((None, one[0]),)
    head = None
    if len(packed) > _PIECE and isinstance(inner, dict | list | tuple):
        head = _key(key) if isinstance(one, dict) else "- "
    if head is None:
        return _piece(packed, indent)
    if isinstance(one, dict):
        return f"{' ' * indent}{head}\n{_below(inner, indent + 2 if isinstance(inner, dict) else indent)}"
    text = _below(inner, indent + 2)
    return f"{text[:indent]}{head}{text[indent + 2 :]}"


def _below(inner: Any, indent: int) -> str:
    return "".join(_lines({one: inner[one]} if isinstance(inner, dict) else [one], indent) for one in inner)


@cache
def _key(key: Any) -> str | None:
    """Write a key with its colon; None if libyaml would write it in another form."""
    text = _dump({key: 0}).removesuffix(" 0\n")
    return None if "\n" in text or text.startswith("? ") else text


@lru_cache(maxsize=8192)
def _piece(packed: bytes, indent: int) -> str:
    text = _dump(marshal.loads(packed))  # noqa: S302 - what `_lines` has packed
    text = f"{text.removesuffix(_END)}\n" if text.endswith(_END) else text
    return _LINE.sub(" " * indent, text) if indent else text


# libyaml's mark after a text that ends with blank lines.
_END = "\n...\n"
_LINE = lazily("^(?=[^\n])", re.MULTILINE)


def _dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
    return text


# A piece of at most this many characters is read as a whole.
_WHOLE = 1000
_MARKER = lazily(r"^---\n", re.MULTILINE)
_HEAD = lazily(r" *[A-Za-z][A-Za-z0-9_./-]*:\n(?= *[^ \n])")
_ITEM = lazily(r" *- [A-Za-z][A-Za-z0-9_./-]*:[ \n]")


def documents(text: str) -> Iterator[Any]:
    """The documents of a text."""
    return (_collection(document, 0) for document in _MARKER.split(text) if document)


def _collection(text: str, indent: int) -> Any:
    """Read the block mapping or block sequence that begins at a column."""
    if text.startswith("- ", indent):
        items: list[Any] = []
        for piece in _pieces(text, f"{' ' * indent}- "):
            items += _item(piece, indent)
        return items
    found: dict[str, Any] = {}
    for piece in _pieces(text, f"{' ' * indent}(?![-:][ \n])[^ \n]"):
        found |= _entry(piece, indent)
    return found


def _pieces(text: str, beginning: str) -> list[str]:
    """Cut a text, which ends with a line break, before the lines that match a beginning."""
    return [f"{piece}\n" for piece in _between(beginning).split(text[:-1])]


@cache
def _between(beginning: str) -> re.Pattern[str]:
    return re.compile(f"\n(?={beginning})")


def _entry(piece: str, indent: int) -> Any:
    """Read a mapping of one key."""
    head = _HEAD.match(piece) if len(piece) > _WHOLE else None
    if head is None:
        return _read(piece)
    (key,) = _read(head[0])
    below = piece[head.end() :]
    return {key: _collection(below, indent if below.startswith("- ", indent) else indent + 2)}


def _item(piece: str, indent: int) -> Any:
    """Read a list of one item."""
    if len(piece) > _WHOLE and _ITEM.match(piece):
        return [_collection(f"{' ' * (indent + 2)}{piece[indent + 2 :]}", indent + 2)]
    return _read(piece)


@lru_cache(maxsize=8192)
def _read(piece: str) -> Any:
    return yaml.load(piece, Loader=yaml.CSafeLoader)
