"""`ftc why`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.cli.options import Place, cannot_write, in_cluster, not_empty, refuse
from ftc.cluster.cause import safe
from ftc.diagnostics.printable import as_json as as_json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.cause import Cause, Diagnosis, Remedy
    from ftc.cluster.snapshot import Snapshot


@click.command("why")
@click.argument("name", required=False, type=not_empty)
@click.option(
    "--from",
    "paths",
    type=Place(exists=True, path_type=Path),
    multiple=True,
    help="A saved situation instead of a cluster: a directory with objects.json, or files with objects.",
)
@in_cluster
@click.option(
    "--save",
    type=Place(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write what was read into DIR, without secrets, for `--from` or for a platform team.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
def command(  # noqa: PLR0913 - click hands over each option
    name: str | None,
    paths: tuple[Path, ...],
    namespace: str | None,
    context: str | None,
    save: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say why the job NAME does not run: the first cause, what shows it, and what helps; then the causes behind it.

    It reads the job, its pods, events, claims, queues and nodes, and the log of the container that failed. With --from
    it reads objects that were saved, and needs no cluster: a directory may also have `logs/POD.CONTAINER.txt`,
    `refused.txt` with what kubectl printed, and `now.txt` with the time of the recording.

    \b
      ftc why qwen-sft-x7k2p
      ftc why qwen-sft-x7k2p --save situation
      kubectl get vcjob,job,pod,podgroup,queue,pvc,event,node -o json > objects.json
      ftc why qwen-sft-x7k2p --from objects.json
    """
    from ftc.cluster.diagnose import diagnose, result  # noqa: PLC0415 - only when it is used

    snapshot = _saved(paths, name, namespace) if paths else _read(name, namespace, context)
    if save is not None:
        _save(snapshot, save)
    found = _checked(diagnose(snapshot), snapshot)
    if as_json:
        click.echo(as_json_text(msgspec.to_builtins(found)))
    else:
        click.echo("\n".join(_rendered(found, result(snapshot))))


def _saved(paths: tuple[Path, ...], name: str | None, namespace: str | None) -> Snapshot:
    from ftc.cluster.saved import NotReadableError, read  # noqa: PLC0415 - only when it is used

    try:
        return read(list(paths), name, namespace)
    except NotReadableError as error:
        refuse(str(error))


def _read(name: str | None, namespace: str | None, context: str | None) -> Snapshot:
    from ftc.cluster.gather import gather  # noqa: PLC0415 - only when it is used
    from ftc.cluster.server import Server, ServerError  # noqa: PLC0415 - the same

    if name is None:
        raise click.UsageError("name the job; `kubectl get vcjob,job` lists them")
    try:
        return gather(Server(context, namespace), name)
    except ModuleNotFoundError as error:
        if error.name != "kubernetes":
            raise
        refuse("asking a cluster needs the package kubernetes: pip install 'ftc[cluster]'")
    except ServerError as error:
        refuse(f"the API server: {safe(str(error))}")


def _save(snapshot: Snapshot, folder: Path) -> None:
    from ftc.cluster.saved import save  # noqa: PLC0415 - only when it is used

    try:
        save(snapshot, folder)
    except OSError as error:
        cannot_write(folder, error)


def _checked(found: Diagnosis, snapshot: Snapshot) -> Diagnosis:
    """Without the overrides that do not compile; for a job that ftc did not write, without overrides."""
    from ftc.cluster.snapshot import group_of  # noqa: PLC0415 - only when it is used

    target = "job" if snapshot.workload and group_of(snapshot.workload) == "batch" else "volcano"

    def kept(remedy: Remedy) -> Remedy:
        fits = not remedy.override or (snapshot.by_ftc and compiles(remedy.override, target))
        return remedy if fits else msgspec.structs.replace(remedy, override="")

    causes = tuple(msgspec.structs.replace(one, remedies=tuple(map(kept, one.remedies))) for one in found.causes)
    return msgspec.structs.replace(found, causes=causes)


def compiles(override: str, target: str = "volcano") -> bool:
    """Whether ftc accepts the words of a remedy for a target: overrides, or `-t` and another target."""
    import shlex  # noqa: PLC0415 - only for a remedy

    from ftc.diagnostics.model import has_errors  # noqa: PLC0415 - the same
    from ftc.driver import Request, compile_job  # noqa: PLC0415 - the same

    words = shlex.split(override)
    if words[0] == "-t":
        _, target, *words = words
    return not has_errors(compile_job(Request(tuple(words), targets=(target,))).diagnostics)


def _rendered(found: Diagnosis, well: str) -> Iterator[str]:
    """The first line is the cause, or that nothing is wrong."""
    if not found.causes:
        yield f"Nothing is wrong: {_STATES.get(found.state, found.state)}{f'; {well}' if well else ''}."
    for number, one in enumerate(found.causes):
        if number:
            yield "\nThen:" if number == 1 else ""
        yield from _cause(one)
    yield from (f"note: {one}" for one in found.unseen)


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
