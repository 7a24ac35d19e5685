"""`ftc why`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.cli.options import refuse
from ftc.diagnostics.printable import as_json as as_json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.cause import Cause, Diagnosis, Remedy


@click.command("why")
@click.argument("name", required=False)
@click.option(
    "--from",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="A saved situation: a directory with objects.json, or files with objects in JSON or YAML.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
def command(name: str | None, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Say why a job does not run: the first cause, what shows it, and what helps; then the causes behind it.

    It reads objects that were saved, and needs no cluster. NAME is the job, if the files hold several. A directory may
    also have `logs/POD.CONTAINER.txt` with the logs, `refused.txt` with what kubectl printed, and `now.txt` with the
    time of the recording.

    \b
      kubectl get vcjob,job,pod,podgroup,pvc,event,node -o json > objects.json
      ftc why qwen-sft-x7k2p --from objects.json
    """
    from ftc.cluster.diagnose import diagnose, result  # noqa: PLC0415 - only when it is used
    from ftc.cluster.saved import NotReadableError, read  # noqa: PLC0415 - the same

    try:
        snapshot = read(list(paths), name)
    except NotReadableError as error:
        refuse(str(error))
    found = _checked(diagnose(snapshot), by_ftc=snapshot.by_ftc)
    if as_json:
        click.echo(as_json_text(msgspec.to_builtins(found)))
    else:
        click.echo("\n".join(_rendered(found, result(snapshot))))


def _checked(found: Diagnosis, *, by_ftc: bool) -> Diagnosis:
    """Without the overrides that do not compile; for a job that ftc did not write, without overrides."""
    causes = tuple(
        msgspec.structs.replace(one, remedies=tuple(_kept(remedy, by_ftc=by_ftc) for remedy in one.remedies))
        for one in found.causes
    )
    return msgspec.structs.replace(found, causes=causes)


def _kept(remedy: Remedy, *, by_ftc: bool) -> Remedy:
    if remedy.override and not (by_ftc and compiles(remedy.override)):
        return msgspec.structs.replace(remedy, override="")
    return remedy


def compiles(override: str) -> bool:
    """Whether ftc accepts the words of a remedy: overrides, or `-t TARGET`."""
    import shlex  # noqa: PLC0415 - only for a remedy

    from ftc.diagnostics.model import has_errors  # noqa: PLC0415 - the same
    from ftc.driver import Request, compile_job  # noqa: PLC0415 - the same

    words = shlex.split(override)
    targets = (words.pop(1),) if words[:1] == ["-t"] else ("volcano",)
    if "cluster.kueue_queue" in override or "gang_jobs" in override:
        targets = ("job",)
    return not has_errors(compile_job(Request(tuple(one for one in words if one != "-t"), targets=targets)).diagnostics)


def _rendered(found: Diagnosis, well: str) -> Iterator[str]:
    """The first line is the cause, or that nothing is wrong."""
    if not found.causes:
        yield f"Nothing is wrong: {_STATES.get(found.state, found.state)}{f'; {well}' if well else ''}."
        return
    yield from _cause(found.causes[0])
    for number, one in enumerate(found.causes[1:]):
        yield "" if number else "\nThen:"
        yield from _cause(one)


_STATES = {
    "completed": "the job has completed",
    "running": "all pods run",
    "pending": "the job is starting, and no component reports a problem",
}


def _cause(one: Cause) -> Iterator[str]:
    yield one.text
    for seen in one.evidence:
        yield f"  seen: {seen}"
    for remedy in one.remedies:
        words = remedy.override or remedy.command
        yield f"  do:   {remedy.text}{f': {words}' if words else ''}"
