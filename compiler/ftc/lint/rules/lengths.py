"""Rules on lengths: what a kernel does not take, however it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.lint.environment import size_of
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

# MAX_ARG_STRLEN, 32 pages of 4 KiB; it counts a variable's name, the `=` and the NUL at the end.
MAX_STRING = 131_072


def no_string_is_longer_than_linux_takes(step: Step) -> Iterator[Finding]:
    """A variable or an argument of a container has less than 131072 bytes.

    Linux starts no program with a longer one, on nodes with pages of 4 KiB: the container ends at once with "argument
    list too long". It is counted as Kubernetes expands it, with the variables that `$(NAME)` puts in; one that is made
    of others several times doubles and doubles again. A longer text belongs into a file, from a ConfigMap say.
    Source: Linux, include/uapi/linux/binfmts.h, MAX_ARG_STRLEN; execve(2).

    Wrong: tests/corpus/bad/FTC017-variable-that-doubles.yaml
    Right: tests/corpus/good/FTC017-variable-of-another.yaml
    """
    found = step.environment.variables
    for one in found.values():
        size = len(one.name) + one.size + 2
        if size > MAX_STRING and one.index is not None:
            yield Finding(step.at("env", one.index, "value"), *_said(f"the variable {one.name}", size))
    for field, words in (("command", step.container.command), ("args", step.container.args)):
        for index, word in enumerate(words):
            size = size_of(word, found) + 1
            if size > MAX_STRING:
                yield Finding(step.at(field, index), *_said("the argument", size))


def _said(what: str, size: int) -> tuple[str, str]:
    count = f"{size} bytes" if size < _MANY else "billions of bytes"
    return f"{what} has {count}, and Linux takes {MAX_STRING}", "put the text into a file, from a ConfigMap say"


_MANY = 10**9

RULES: tuple[Rule, ...] = (Rule("FTC017", no_string_is_longer_than_linux_takes, Step, Severity.WARNING),)
