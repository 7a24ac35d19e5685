"""`ftc model`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ftc.cli.init_option import WROTE, check_name, write_new, write_schema
from ftc.cli.options import not_empty, refuse, say
from ftc.diagnostics.printable import escaped

if TYPE_CHECKING:
    from ftc.checkpoint.files import Problem

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_MOST = 10**13


@click.group("model")
def command() -> None:
    """Use a model that `ftc list model` does not have."""


@command.command("add")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sizes", nargs=-1)
@click.option("--id", "model_id", type=not_empty, help="The repository on the hub, if the model is on one.")
@click.option("--name", type=not_empty, help="The name of the option; by default that of the directory.")
@click.option("--template", type=not_empty, help="LLaMA-Factory's chat template, if the model's is not known.")
@click.option("--path", type=not_empty, help="The directory of the model in the pods, if it is on a volume.")
@click.option(
    "--conf",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("conf"),
    help="The directory of your own options.",
)
def add(
    directory: Path, sizes: tuple[str, ...], model_id: str | None, name: str | None, conf: Path, **said: str | None
) -> None:
    """Write an option for the model in DIRECTORY to conf/model.

    It reads config.json, and the headers of the safetensors files or their index; it runs nothing of the directory and
    needs neither torch nor transformers. SIZES such as `attention_heads=32` state what the files do not.

    \b
      ftc model add ~/models/our-7b --path /workspace/models/our-7b
      ftc model add ~/models/Qwen3-4B-Base --id Qwen/Qwen3-4B-Base
      ftc model add ~/models/our-7b --template qwen attention_heads=28
    """
    from ftc.checkpoint import option  # noqa: PLC0415 - its data is only needed here

    place = directory.resolve()
    on_hub = model_id is not None and said["path"] is None
    _check(said["path"], model_id if on_hub else None)
    identity = model_id or place.name
    if not _ID.fullmatch(identity):
        refuse(f"'{identity}' cannot be the id of a model: give one with --id")
    name = name or re.sub(r"[^a-z0-9._-]+", "-", identity.rpartition("/")[2].lower()).strip("-._")
    check_name("model", name)
    wanted = option.Wanted(
        id=identity,
        template=said["template"],
        path=said["path"],
        on_hub=on_hub,
        given=_sizes(sizes),
    )
    made = option.make(place, wanted)
    if isinstance(made, list):
        _refuse(directory, made)
    file = conf / "model" / f"{name}.yaml"
    text = f"{made.text}# yaml-language-server: $schema=../.schema/model.schema.json\n"
    written = write_new(file, text)
    if written != WROTE and file.read_bytes() != text.encode():
        refuse(f"{file} exists and differs: choose another name with --name, or remove the file first")
    say(f"{written} {file}")
    write_schema(conf, "model")
    for line in made.notes:
        say(f"ftc: {file}: {escaped(line)}", err=True)
    say(f"ftc: then run: ftc plan --config-dir {conf} model={name}", err=True)


def _check(path: str | None, repository: str | None) -> None:
    """Refuse what the spec would refuse in the option."""
    import msgspec  # noqa: PLC0415 - `--help` needs no types

    from ftc.spec.base import AbsolutePath  # noqa: PLC0415 - the same
    from ftc.spec.source import HubId  # noqa: PLC0415 - the same

    forms = (
        ("--path", path, AbsolutePath, "an absolute path in the pods, without '..'"),
        ("--id", repository, HubId, "a repository on a hub: write owner/name"),
    )
    for option, value, form, what in forms:
        try:
            msgspec.convert(value, form | None)
        except msgspec.ValidationError:
            refuse(f"{option}: '{value}' is not {what}", 2)


def _sizes(words: tuple[str, ...]) -> dict[str, int]:
    """The sizes that the user states."""
    from ftc.checkpoint.config import SIZES  # noqa: PLC0415 - the same as above

    known, found = ("parameters", *SIZES), {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in known:
            refuse(f"'{word}' is not a size: write one of {', '.join(known)}, with '=' and a number", 2)
        if not value.isascii() or not value.isdigit() or not 0 < int(value[:14]) <= _MOST:
            refuse(f"'{word}': {key} is a whole number from 1 to {_MOST}", 2)
        found[key] = int(value)
    return found


def _refuse(directory: Path, problems: list[Problem]) -> NoReturn:
    for problem in problems:
        place = f"{directory / problem.file}: " if problem.file else ""
        key = f"{problem.key}: " if problem.key else ""
        say(f"{escaped(place + key + problem.message)}", err=True)
        if problem.help:
            say(f"  help: {escaped(problem.help)}", err=True)
    sys.exit(1)
