"""Problems of a text as YAML, and of its keys and numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import yaml

from ftc.diagnostics.model import Position, Related
from ftc.source.finding import position_in, position_of, problem
from ftc.source.loaders import MAX_NUMBER, ConfigurationLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Diagnostic

# PyYAML raises these for invalid YAML, and for a value that does not match its explicit tag (`!!bool maybe`).
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)


def not_yaml(error: Exception, text: str, source: str) -> Diagnostic:
    """PyYAML's message, at its position."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked(error, source)
    if isinstance(error, yaml.reader.ReaderError):
        return problem(f"is not YAML: {error.reason}", position_in(text, error.position, source))
    said = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError) else "a value does not match its tag"
    return problem(f"is not YAML: {said}", Position(source, 1, 1))


def _marked(error: yaml.MarkedYAMLError, source: str) -> Diagnostic:
    where = position_of(error.problem_mark or error.context_mark, source)
    began = f", {error.context} that begins at {position_of(error.context_mark, source)}" if error.context_mark else ""
    tab = "indent with spaces, not tabs" if "cannot start any token" in str(error.problem) else ""
    return problem(f"is not YAML: {error.problem or error.context}{began}", where, tab)


def key_problems(node: yaml.MappingNode, source: str) -> Iterator[Diagnostic]:
    """Keys that YAML allows and ftc rejects."""
    first: dict[str, Position] = {}
    for key, _ in node.value:
        here = position_of(key.start_mark, source)
        if not isinstance(key, yaml.ScalarNode):
            yield problem("a key must be a plain scalar", here)
        elif key.value in first:
            twice = problem(f"duplicate key '{key.value}'", here, "delete one of the two")
            yield msgspec.structs.replace(twice, related=(Related((key.value,), first[key.value]),))
        elif key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            yield problem(f"the key {key.value} is not a string", here, f"quote it: '{key.value}'")
        else:
            first[key.value] = here


# The core schema of YAML 1.2; every reader and the command line agree on its decimal numbers.
_PLAIN = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
# YAML 1.1 reads a string here, YAML 1.2 a number.
_OCTAL = re.compile(r"0o[0-7]+")


def number_problem(node: yaml.ScalarNode, source: str) -> Diagnostic | None:
    """A number that YAML 1.1, YAML 1.2 and people read differently: `017`, `1:30`, `0x10`, `1_000`."""
    if node.style or len(node.value) > MAX_NUMBER:
        return None
    octal = _OCTAL.fullmatch(node.value) is not None
    odd = node.tag in _NUMBERS and not _PLAIN.fullmatch(node.value) and not _NOT_FINITE.fullmatch(node.value)
    if not odd and not octal:
        return None
    here = position_of(node.start_mark, source)
    read = int(node.value, 0) if octal else yaml.load(node.value, ConfigurationLoader)  # noqa: S506 - a safe loader
    reader = "1.2" if octal else "1.1"
    help_ = f"write {read}, or '{node.value}' in quotes for a string"
    return problem(f"{node.value} is {read} in YAML {reader}, which may not be intended", here, help_)
