"""The command `ftc`."""

from __future__ import annotations

import atexit
import gc
import inspect
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

import click

from ftc import __version__, resources
from ftc.cli import complete
from ftc.cli.document import Document

_COMMANDS = {
    "compile": "Compile a run to a manifest.",
    "lint": "Find mistakes in existing manifests.",
    "init": "Start a repository of runs that are reviewed in pull requests.",
    "model": "Use a model that `ftc list model` does not have.",
    "list": "List config groups and their options.",
    "show": "Print the resolved spec.",
    "explain": "Explain a key, or the origin of a value in a manifest.",
    "fit": "List the hardware and settings with which a run fits, cheapest first.",
    "plan": "Print what a run does and needs, on one screen.",
    "dataset": "Check the rows of a dataset, and describe it for a hub.",
    "diff": "Show what changes on the cluster between two runs, directories or revisions.",
    "golden": "Keep compiled runs in git, and check that they are up to date.",
    "pin": "Write the commits and digests that a run uses into your conf.",
    "submit": "Create a run in a cluster, after checking that it can run there.",
    "status": "Show the runs of a namespace: phase, nodes, step, age.",
    "logs": "Print the log of a run, the first error first.",
    "why": "Say why a job does not run.",
    "delete": "Delete a run from a cluster.",
    "clean": "List the runs and downloads of a workspace, and remove some.",
    "inference": "Print the InferenceService that serves a model.",
    "schema": "Print the JSON Schema of the spec or of a file, for editors.",
    "rule": "Explain a code such as FTC301.",
    "completion": "Print the completion script of a shell.",
}
_BUG = 70


class _Commands(click.Group):
    """Import each command when it is used, and print one document if --format asks for one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        document = Document(args)
        with document.complete():
            return super().make_context(info_name, args, parent, obj=document, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        document: Document = ctx.obj
        with document.complete():
            return self._invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"ftc.cli.{cmd_name}").command
        return _with_help(command)

    def _invoke(self, ctx: click.Context) -> Any:
        """An option that is a key of the spec, `--nodes 2`, is written as an override."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            from ftc.spec.schema import as_option  # noqa: PLC0415 - for a mistake only

            key = as_option(error.option_name)
            if not key:
                raise
            message = f"no such option '{error.option_name}'; write it as an override: {key}=…"
            raise click.UsageError(message, error.ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from ftc.diagnostics.model import did_you_mean  # noqa: PLC0415 - for a mistake only

            ctx.fail(f"no such command {args[0]!r}; {did_you_mean(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ftc")
def cli() -> None:
    """Compile fine-tuning runs to jobs for Kubernetes.

    A run is composed from config groups (model, dataset, hardware, launcher, storage, …), checked, and compiled to a
    VolcanoJob and the YAML that LLaMA-Factory reads.

    \b
      ftc list hardware
      ftc compile hardware=ascend launcher=torchrun devices=8 | kubectl create -f -
    """


def _with_help(command: click.Command) -> click.Command:
    """The command with its help, also under `python -OO`, which drops docstrings."""
    if command.help is None and command.callback is not None:
        command.help = inspect.cleandoc(resources.docstring(command.callback))
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _with_help(inner)
    return command


def _open_streams() -> None:
    """Open each closed standard stream, and write UTF-8 whatever the locale.

    Otherwise a file that is opened later would take the place of a closed stream, and receive its text. Reading the
    new stdin and writing the new stdout fail, so that no manifest is lost silently; messages to stderr are dropped.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, mode), number)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the same
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # With PYTHONUNBUFFERED=1 Python drops what a full disk does not take of a write, without an error.
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - the same


def _say(message: str) -> None:
    """Write a line to stderr, if it can be written."""
    with suppress(OSError):
        click.echo(message, err=True)


def _drop(*streams: TextIO) -> None:
    """Keep Python from flushing at exit what cannot be written."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Exit:
    """Ends the process without freeing its memory piece by piece, which takes a twentieth of a compile.

    It runs after what the command registers for the exit. `status` is None if the command has not ended by itself.
    """

    status: int | None = None

    def __call__(self) -> None:
        gc.freeze()  # otherwise Python collects once more
        with suppress(OSError, ValueError):  # Python reports what cannot be written
            sys.stdout.flush()
            sys.stderr.flush()
            if self.status is not None:
                os._exit(self.status)


def main() -> None:
    """Run the command; an exception that gets here is a bug, and the exit code is 70."""
    gc.disable()  # a short process: collecting garbage takes a tenth of its time
    last = _Exit()
    atexit.register(last)
    try:
        _main()
        last.status = 0
    except SystemExit as end:
        last.status = end.code if isinstance(end.code, int) else None
        raise


def _main() -> None:
    _open_streams()
    if shell := os.environ.get(complete.VARIABLE):
        sys.stdout.write(complete.main(shell, sys.argv[1:]))
        return
    if not resources.are_files():
        _say("ftc: cannot run from a zip: conf/ and schemas/ must be directories")
        sys.exit(1)
    try:
        _with_help(cli)
        cli(prog_name="ftc")
    except BrokenPipeError:
        _drop(sys.stdout, sys.stderr)  # the reader has gone (`ftc compile | head`)
        sys.exit(1)
    except OSError as error:
        _say(f"ftc: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        _drop(sys.stdout, sys.stderr)
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the edge of the program
        import traceback  # noqa: PLC0415 - not worth its import when nothing is wrong

        traceback.print_exc()
        click.echo("ftc: this is a bug in ftc; please report it with the lines above and your overrides", err=True)
        sys.exit(_BUG)


if __name__ == "__main__":
    main()
