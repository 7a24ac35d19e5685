"""Values as YAML that every parser, of YAML 1.1 or 1.2, reads as the same values."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml

# What some parser (PyYAML, go-yaml, npm's yaml, in 1.1 or 1.2 mode) reads as something other than a text.
_AMBIGUOUS = re.compile(
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
# Characters that a plain or block text cannot carry unharmed through every parser.
_UNSAFE = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


# A collection that fits into so many characters is written on one line, so that a variable or a mount is a line.
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
    """The characters of a node on one line; what takes several lines is wider than any."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) if "\n" not in node.value else _ONE_LINE + 1
    if not isinstance(node, yaml.CollectionNode) or not node.flow_style:
        return _ONE_LINE + 1
    parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return sum(_width(part) + 2 for part in parts)


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _AMBIGUOUS.fullmatch(text) or _UNSAFE.search(text) or ("'" in text and "\n" not in text):
        style = '"'
    elif "\n" in text:
        style = "|" if text.strip() and not re.search(r"[ \t](\n|$)", text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


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


def dump(value: Any) -> str:
    """One YAML document without markers."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
    return text
