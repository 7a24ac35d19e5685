"""Options that several commands have, and the completion of overrides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftc.diagnostics.model import Diagnostic

_F = TypeVar("_F", bound="Callable[..., Any]")


def configuration(function: _F) -> _F:
    """OVERRIDE…, --config-dir and -c."""
    function = click.option(
        "-c",
        "--config-name",
        default="config",
        metavar="NAME",
        help="The primary config, which names a whole run: NAME.yaml in a config dir.",
    )(function)
    function = config_dirs(function)
    return click.argument("overrides", nargs=-1, metavar="[OVERRIDE]...", shell_complete=_complete)(function)


def config_dirs(function: _F) -> _F:
    """--config-dir."""
    return click.option(
        "--config-dir",
        "config_dirs",
        multiple=True,
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A conf tree of your own, which comes before the shipped one. May be given several times.",
    )(function)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    """`hard` completes to `hardware=`, `hardware=as` to `hardware=ascend`."""
    from ftc.compose import groups  # noqa: PLC0415 - Hydra, only when it is needed
    from ftc.driver import search_path  # noqa: PLC0415 - the same

    known = groups(search_path(tuple(ctx.params.get("config_dirs") or ())))
    group, equals, _ = incomplete.partition("=")
    words = [f"{group}={option}" for option in known.get(group, ())] if equals else [f"{name}=" for name in known]
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_group(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`hard` completes to `hardware`."""
    return [CompletionItem(item.value.rstrip("=")) for item in _complete(ctx, param, incomplete)]


def complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    """`FTC30` completes to `FTC301`, with what it stands for."""
    from ftc.checks.pages import pages  # noqa: PLC0415 - every rule, only when it is needed

    known = pages().values()
    return [CompletionItem(page.code, help=page.title) for page in known if page.code.startswith(incomplete.upper())]


def report(diagnostics: Iterable[Diagnostic]) -> None:
    """Say on stderr what was found."""
    from ftc.diagnostics.render_text import render  # noqa: PLC0415 - nothing to say is the usual case

    click.echo(render(diagnostics), err=True, nl=False)


def refuse(message: str) -> NoReturn:
    """End with a configuration that is wrong."""
    click.echo(f"ftc: {message}", err=True)
    sys.exit(1)
