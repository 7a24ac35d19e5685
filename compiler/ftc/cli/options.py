"""Options that several commands share, and the report of findings and refused runs."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from functools import wraps
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import click

from ftc.cli.document import DOCUMENTS, FORMATS, current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic


_F = TypeVar("_F", bound="Callable[..., Any]")
# The primary config of the shipped conf; any other one is the user's.
_SHIPPED = "config"
BY_CLUSTER = 3
"""The exit code if the cluster refuses."""


class Reporting(NamedTuple):
    """How diagnostics are judged and printed."""

    format: str = "text"
    ignore: tuple[str, ...] = ()
    strict: bool = False

    @property
    def is_json(self) -> bool:
        """Whether data is printed as JSON."""
        return self.format == "json"

    @property
    def is_document(self) -> bool:
        """Whether the stream carries one document, so that no other line may be printed."""
        return self.format in DOCUMENTS


_EMPTY = "must not be empty; is a variable of the shell unset?"


class Place(click.Path):
    """A path; an empty one would mean the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path."""
        return super().convert(value or self.fail(_EMPTY, param, ctx), param, ctx)


def not_empty(value: str) -> str:
    """A name, a revision or a version."""
    if not value:
        raise click.BadParameter(_EMPTY)
    return value


def configuration(function: _F) -> _F:
    """OVERRIDE…, --config-dir and -c, for which ./conf is the conf tree unless another one is given."""

    @wraps(function)
    def command(*arguments: Any, config_dirs: tuple[Path, ...], config_name: str, **options: Any) -> Any:
        if config_name != _SHIPPED and not config_dirs:
            from ftc.places import conf_beside  # noqa: PLC0415 - msgspec, which `--help` need not load

            config_dirs = conf_beside(options.get("golden", Path("golden")))
        return function(*arguments, config_dirs=config_dirs, config_name=config_name, **options)

    command = click.option(
        "-c",
        "--config-name",
        type=not_empty,
        default=_SHIPPED,
        metavar="NAME",
        help="The primary config, which describes a whole run: NAME.yaml in a conf directory, by default ./conf.",
    )(command)
    command = config_dirs(command)
    return click.argument("overrides", nargs=-1, metavar="[OVERRIDE]...")(command)  # type: ignore[return-value] # click keeps the function's type


def config_dirs(function: _F) -> _F:
    """--config-dir."""
    return click.option(
        "--config-dir",
        "config_dirs",
        multiple=True,
        metavar="DIR",
        type=Place(exists=True, file_okay=False, path_type=Path),
        help="Your own conf tree, searched before the shipped one. May be given several times.",
    )(function)


def in_cluster(function: _F) -> _F:
    """-n and --context."""
    command = click.option("--context", type=not_empty, help="The context of the kubeconfig.")(function)
    return click.option("-n", "--namespace", type=not_empty, help="The namespace; by default that of the context.")(
        command
    )


def data_format(function: _F) -> _F:
    """--format and its short form --json, for a command that prints data and reports no findings."""

    @wraps(function)
    def command(*arguments: Any, data_form: str, as_json: bool, **options: Any) -> Any:
        return function(*arguments, is_json=as_json or data_form == "json", **options)

    command = _json(command)
    return click.option(
        "--format",
        "data_form",
        type=click.Choice(["text", "json"]),
        default="text",
        help="text: for people.  json: the same as data.",
    )(command)  # type: ignore[return-value] # click keeps the function's type


def _json(function: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Short for --format json.")(function)


def reporting(
    function: _F, about: str = "The format of diagnostics.", forms: Mapping[str, str] = MappingProxyType({})
) -> _F:
    """--format, --ignore and --strict, passed to the command as `reporting`; `forms` are more formats of its data."""

    @wraps(function)
    def command(
        *arguments: Any, diagnostics_format: str, ignored: tuple[str, ...], strict: bool, **options: Any
    ) -> Any:
        is_short = bool(options.pop("as_json", False))
        chosen = "json" if is_short else diagnostics_format
        document = current()
        document.format = chosen
        # With --json, stderr stays empty if there is nothing to report.
        document.is_due = document.collects and not (is_short and document.err)
        return function(*arguments, reporting=Reporting(chosen, ignored, strict), **options)

    command = click.option(
        "--strict",
        is_flag=True,
        help="Treat warnings as errors: one makes the exit code 1, and nothing is compiled.",
    )(command)
    command = click.option(
        "--ignore",
        "ignored",
        multiple=True,
        type=not_empty,
        metavar="RULE",
        callback=_silenceable,
        help="Suppress a rule, by its name or code (see `ftc rule`). May be given several times.",
    )(command)
    return click.option(
        "--format",
        "diagnostics_format",
        type=click.Choice([*FORMATS, *forms]),
        default="text",
        help=f"{about}  text: for people.  json: for programs.  github: annotations of a workflow.  "
        f"sarif: for code scanning.{''.join(f'  {name}: {what}.' for name, what in forms.items())}",
    )(command)  # type: ignore[return-value] # click keeps the function's type


def reporting_with_data(function: _F, forms: Mapping[str, str] = MappingProxyType({})) -> _F:
    """The same, and --json: with the format json, the command prints its data as JSON too."""
    return _json(reporting(function, "The format of diagnostics; with json, of the data on stdout too.", forms))


def _silenceable(ctx: click.Context, param: click.Parameter, codes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes and names if all of them can be suppressed."""
    if codes and ctx.info_name == "lint":
        from ftc.diagnostics.model import nearest  # noqa: PLC0415 - every rule, only when it is needed
        from ftc.rules.catalogue import ALIASES, OF_MANIFESTS  # noqa: PLC0415 - the same

        known = {word for rule in OF_MANIFESTS for word in (rule.code, rule.name)} | ALIASES.keys()
        for code in [code for code in codes if code not in known]:
            help_ = nearest(code, known) or "`ftc rule` lists the codes"
            raise click.BadParameter(f"{code} is not a rule of lint; {help_}", ctx, param)
    elif codes:
        from ftc.rules.check import suppression_advice, suppression_problem  # noqa: PLC0415 - the same

        for code in [code for code in codes if suppression_problem(code) and not _is_of_lint(ctx, code)]:
            raise click.BadParameter(f"{suppression_problem(code)}; {suppression_advice(code)}", ctx, param)
    return codes


def _is_of_lint(ctx: click.Context, code: str) -> bool:
    """Whether a rule of lint may be meant: `submit -f` lints the files."""
    from ftc.rules.catalogue import ALIASES, OF_MANIFESTS  # noqa: PLC0415 - every rule, only when it is needed

    return ctx.info_name == "submit" and (code in ALIASES or any(code in (one.code, one.name) for one in OF_MANIFESTS))


def report(
    diagnostics: Iterable[Diagnostic],
    how: Reporting = Reporting(),  # noqa: B008 - immutable
    texts: Mapping[str, str] | None = None,
    *,
    err: bool = True,
) -> None:
    """Print findings to stderr (or stdout); `texts` holds the sources that are not files."""
    found = tuple(diagnostics)
    if not found:
        return
    if how.is_document:
        current().add(found, texts or {})
    else:
        from ftc.cli import rendering  # noqa: PLC0415 - usually there is nothing to report
        from ftc.cli.terminal import has_colour  # noqa: PLC0415 - the same

        stream = sys.stderr if err else sys.stdout
        colour = has_colour(stream)
        click.echo(rendering.text(found, how.format, texts or {}, colour=colour), err=err, nl=False, color=colour)


@contextmanager
def refusals(how: Reporting) -> Iterator[None]:
    """Run a block that calls the API; report why it refuses, and end."""
    from ftc.api.refused import ClusterRefusedError, RefusedError  # noqa: PLC0415 - `--help` calls nothing

    try:
        yield
    except RefusedError as error:
        code = BY_CLUSTER if isinstance(error, ClusterRefusedError) else 1
        if not error.findings:
            refuse(str(error), code)
        report(error.findings, how)
        sys.exit(code)


def say(line: str, *, err: bool = False) -> None:
    """Print a line; no name in it can begin a new line, move the cursor, hide, or be a command to a CI system."""
    from ftc.diagnostics.printable import escaped, inert  # noqa: PLC0415 - `--help` prints no user's text

    click.echo(inert(escaped(line)), err=err)


def counted(number: int, word: str) -> str:
    """A number of things: 1 file, 2 files."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def totals(diagnostics: Iterable[Diagnostic]) -> str:
    """How many findings there are of each severity; empty without findings."""
    counts = Counter(one.severity.value for one in diagnostics)
    return ", ".join(counted(counts[name], name) for name in ("error", "warning", "note") if counts[name])


def refuse(message: str, exit_code: int = 1) -> NoReturn:
    """End because the configuration is wrong; the message of a library may have several lines."""
    message = ", ".join(line.strip() for line in message.split("\n"))
    if current().format != "text":
        current().fail(message, exit_code)
    say(f"ftc: {message}", err=True)
    sys.exit(exit_code)


def cannot_write(place: Path, error: OSError) -> NoReturn:
    """End with an error of the system, which names a file that cannot be opened but not one on a full disk."""
    refuse(f"cannot write to {place}: {error.strerror}{f': {error.filename}' if error.filename else ''}")


def tell(refused: Mapping[str, tuple[Diagnostic, ...]], how: Reporting | None = None) -> None:
    """Report why runs are refused."""
    _tell(refused, ("is refused", "are refused"), how or Reporting(current().format))


def warn(warned: Mapping[str, tuple[Diagnostic, ...]], how: Reporting) -> None:
    """Report the warnings of runs that compile."""
    _tell(warned, ("has warnings", "have warnings"), how)


def _tell(runs: Mapping[str, tuple[Diagnostic, ...]], verbs: tuple[str, str], how: Reporting) -> None:
    """Report each finding once, below its first run and the number of other runs."""
    from ftc.diagnostics.model import by_finding  # noqa: PLC0415 - findings are rare

    alike = by_finding(runs)
    for names, found in groupby(alike, alike.__getitem__):
        if not how.is_document:
            say(f"ftc: {subject(names)} {verbs[len(names) > 1]}:", err=True)
        report(found, how)


def subject(names: Sequence[str]) -> str:
    """Name several runs by the first of them; a run without a name is the only one."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"case {names[0]}{more}" if names[0] else "the run"
