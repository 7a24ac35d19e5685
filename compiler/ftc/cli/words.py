"""The words that shells complete: `python -m ftc.cli.words` writes schemas/completion.json.

It has the commands with their options, the keys of the spec and of `train`, and the rules; `ftc.cli.complete` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ftc import editor
from ftc.cli.main import cli
from ftc.rules.pages import pages
from ftc.spec.schema import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

# Parameters whose values are words that ftc knows; click has the choices and the paths of the others.
_TAKES = {
    "overrides": "override",
    "what": "key",
    "words": "rule",
    "ignored": "rule",
    "group": "group",
    "config_name": "config",
    "cases": "case",
}
_OF_COMMANDS: dict[tuple[str, str], str | list[str]] = {
    ("diff", "overrides"): "override or path",
    ("dataset check", "overrides"): "override or path",
    ("dataset card", "overrides"): "override or path",
    ("pin", "name"): "config",
    ("schema", "group"): [*editor.NAMES, "case"],
}


def text() -> str:
    """The content of schemas/completion.json."""
    about = {
        "commands": dict(_commands(cli, "")),
        "keys": {**_keys(), **_arguments()},
        "places": editor.PLACES,
        "rules": {word: page.title for page in pages().values() for word in (page.code, page.name)},
    }
    return editor.written(about, 0) + "\n"


def _commands(group: click.Group, before: str) -> Iterator[tuple[str, dict[str, Any]]]:
    context = click.Context(group, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield f"{before}{name}", _command(f"{before}{name}", command)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")


def _command(name: str, command: click.Command) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for one in command.params:
        if isinstance(one, click.Option):
            told = {"name": one.opts[-1], "takes": _takes(name, one), "help": _sentence(one.help or "")}
            options |= dict.fromkeys((*one.opts, *one.secondary_opts), told)
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    return {
        "help": _sentence(command.help or ""),
        "options": options,
        "arguments": [_takes(name, one) for one in arguments],
        "many": any(one.nargs != 1 for one in arguments),
    }


def _takes(command: str, parameter: click.Parameter) -> str | list[str]:
    """The values of a parameter: a list, or the name of a kind that `ftc.cli.complete` knows; empty for a flag."""
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return ""
    known = _OF_COMMANDS.get((command, str(parameter.name))) or _TAKES.get(str(parameter.name))
    if known:
        return known
    if isinstance(parameter.type, click.Choice):
        return [str(choice) for choice in parameter.type.choices]
    if isinstance(parameter.type, click.Path):
        return "file" if parameter.type.file_okay else "directory"
    return "any"


def _keys() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The meaning and the values of each key."""
    return {".".join(map(str, path)): (_sentence(key.meaning), key.values) for path, key in keys().items()}


def _arguments() -> dict[str, tuple[str, list[str]]]:
    """The same of each argument of LLaMA-Factory, as a key of `train`."""
    known = editor.training()["properties"]
    return {f"train.{name}": (_sentence(one["description"]), _choices(one)) for name, one in known.items()}


def _choices(schema: dict[str, Any]) -> list[str]:
    values = [one for inner in schema.get("anyOf", ()) for one in inner.get("enum", ())]
    kinds = [one for inner in schema.get("anyOf", ()) for one in [inner.get("type")] if one]
    return [str(value) for value in values] or (["true", "false"] if ["boolean"] in kinds else [])


def _sentence(about: str) -> str:
    """The first sentence, without its full stop, on one line."""
    joined = " ".join(about.partition("\n\n")[0].split())
    return joined.partition(". ")[0].rstrip(".")


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201 - the script's purpose
