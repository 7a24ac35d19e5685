"""Every command, with the help that it prints."""

from __future__ import annotations

import click

from ftc.cli.main import cli
from reference.markdown import fence, page, table

WIDTH = 100
_WRONG = """
The configuration is wrong, and nothing is written; `ftc lint` has found an error; `ftc golden` or
`ftc diff --exit-code` has found a difference.
"""
_EXIT_CODES = (
    ("0", "Done: stdout has the complete result."),
    ("1", _WRONG),
    ("2", "The command line is wrong: an unknown command, option or argument."),
    ("3", "`ftc submit`, `ftc delete`: the cluster refuses, could not run the job, or does not answer."),
    ("70", "A bug in ftc. Please report it with the traceback and the overrides."),
)


def pages() -> dict[str, str]:
    """The page of the commands."""
    top = click.Context(cli, info_name="ftc", terminal_width=WIDTH, **cli.context_settings)
    parts = [_help(cli, top)]
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        if command is not None:
            parts += _sections(command, top, name)
    codes = "## Exit codes { #exit-codes }\n\n" + table(("code", "meaning"), _EXIT_CODES)
    return {"commands.md": page("Commands", "The help of each command, as `-h` prints it.", *parts, codes)}


def _sections(command: click.Command, parent: click.Context, name: str, level: int = 2) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    path = context.command_path
    parts = [f"{'#' * level} {path} {{ #{path.replace(' ', '-')} }}", _help(command, context)]
    for inner, one in command.commands.items() if isinstance(command, click.Group) else ():
        parts += _sections(one, context, inner, level + 1)
    return parts


def _help(command: click.Command, context: click.Context) -> str:
    return fence(command.get_help(context))
