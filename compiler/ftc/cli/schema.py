"""`ftc schema`."""

from __future__ import annotations

import click

from ftc import editor
from ftc.cli.options import not_empty, refuse
from ftc.resources import directory
from ftc.spec import schema

_CASE = "case"
_KNOWN = (*editor.NAMES, _CASE)


@click.command("schema")
@click.argument("group", required=False, type=not_empty)
def command(group: str | None) -> None:
    """Print the JSON Schema of the spec, or of a file in conf/GROUP, for completion and checks in editors.

    GROUP may also be `config`, a primary config, or `case`, a golden/CASE/case.yaml. An editor with
    yaml-language-server finds the schema through a comment in the file, with a path relative to the file or a URL:

    \b
      ftc schema hardware > conf/.schema/hardware.schema.json
      # yaml-language-server: $schema=../.schema/hardware.schema.json
    """
    if group is None:
        text = (directory("schemas") / schema.ID).read_text(encoding="utf-8")
    elif group in editor.NAMES:
        text = editor.text(group)
    elif group == _CASE:
        from ftc import golden  # noqa: PLC0415 - Hydra, which no other schema needs

        text = schema.written(golden.schema())
    else:
        from ftc.diagnostics.model import did_you_mean  # noqa: PLC0415 - for a mistake only

        refuse(f"unknown schema '{group}'; {did_you_mean(group, _KNOWN)}")
    click.echo(text.encode(), nl=False)
