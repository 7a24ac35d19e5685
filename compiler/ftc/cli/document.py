"""The single document that a command prints if --format asks for one, whatever happens."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic

FORMATS = ("text", "json", "github", "sarif")
DOCUMENTS = ("json", "sarif")
_OPTION, _SHORT = "--format", "--json"
# These commands print it to stdout; the others need stdout for their output.
_TO_STDOUT = ("lint", "diff")
_BETWEEN_SIDES = "diff"
_USAGE, _BUG = 2, 70


class Document:
    """The findings of a command, collected until it ends; `words` are the words of the command line.

    The format is read from the words directly, because an error may occur before click has parsed them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Start without findings."""
        command = next((word for word in words if not word.startswith("-")), "")
        self.err = command not in _TO_STDOUT
        self.format = _format(words, command)
        self.is_due = False
        self._found: list[Diagnostic] = []
        self._texts: dict[str, str] = {}
        self._exit_code = 0

    @property
    def collects(self) -> bool:
        """Whether the output is one document, not lines as they come."""
        return self.format in DOCUMENTS

    def add(self, diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> None:
        """Add findings, and the texts of sources that are not files."""
        self.is_due = True
        self._found += diagnostics
        self._texts |= texts

    def fail(self, message: str, exit_code: int) -> NoReturn:
        """End with an error without a code: it concerns the command or the system, not the configuration."""
        from ftc.diagnostics.model import Diagnostic  # noqa: PLC0415 - usually nothing is wrong

        self.add([Diagnostic(code="", message=message)], {})
        self._exit_code = exit_code
        sys.exit(exit_code)

    @contextmanager
    def complete(self) -> Iterator[None]:
        """Run the block, then print the document once, even if the block fails."""
        try:
            yield
        except Exception as error:
            self._judge(error)
            raise
        except KeyboardInterrupt:
            if self.format != "text":
                self.fail("interrupted", 1)
            raise
        finally:
            self._print()

    def _judge(self, error: Exception) -> None:
        """Add an error to the document; in text format, click and `main` print it."""
        if isinstance(error, click.exceptions.Exit) or (isinstance(error, OSError) and error.errno == errno.EPIPE):
            return
        if self.format == "text":
            _escape(error)
        elif isinstance(error, click.ClickException):
            self.fail(error.format_message(), error.exit_code)
        elif isinstance(error, click.Abort):
            self.fail("interrupted", 1)
        elif isinstance(error, OSError):
            self.fail(f"{error.strerror}{f': {error.filename}' if error.filename else ''}", 1)
        else:
            from traceback import format_exception  # noqa: PLC0415 - not worth its import when nothing is wrong

            *frames, what = format_exception(error, limit=-3)
            said = f"this is a bug in ftc ({what.strip()}); please report it with your command line"
            self.fail(f"{said}\n{''.join(frames)}".rstrip(), _BUG)

    def _print(self) -> None:
        if not self.is_due:
            return
        self.is_due = False
        from ftc.cli import rendering  # noqa: PLC0415 - only if a document was asked for

        text = rendering.text(self._found, self.format, self._texts, colour=False, exit_code=self._exit_code)
        click.echo(text, err=self.err, nl=False, color=False)


def _escape(error: Exception) -> None:
    """Escape an error that click prints and that repeats what the user typed; a help has its own lines."""
    if isinstance(error, click.UsageError) and type(error).__name__ != "NoArgsIsHelpError":  # since click 8.2
        from ftc.diagnostics.printable import escaped, inert  # noqa: PLC0415 - for a mistake only

        raise click.UsageError(inert(escaped(error.format_message())), error.ctx) from None


def current() -> Document:
    """The document of the running command."""
    found: Document = click.get_current_context().find_root().obj
    return found


def _format(words: Sequence[str], command: str) -> str:
    found = ""
    for index, word in enumerate(words):
        if word == "--" and command != _BETWEEN_SIDES:
            break
        if word == _OPTION and index + 1 < len(words):  # a missing value is an error in the format asked for before
            found = words[index + 1]
        elif word == _SHORT:
            found = "json"
        elif word.startswith(f"{_OPTION}="):
            found = word.removeprefix(f"{_OPTION}=")
    return found if found in FORMATS else "text"
