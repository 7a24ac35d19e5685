"""`ftc.submit`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.api.cluster import answers
from ftc.api.manifests import lint
from ftc.api.refused import ClusterRefusedError, RefusedError
from ftc.api.runs import directories, known, sound
from ftc.cluster.before import directory
from ftc.cluster.cause import shell
from ftc.cluster.origin import compiled, in_file
from ftc.cluster.server import Server
from ftc.cluster.snapshot import at, name_of
from ftc.cluster.submit import Refused, is_workload
from ftc.cluster.submit import submit as create
from ftc.diagnostics.model import Diagnostic, Severity, has_errors
from ftc.diagnostics.printable import escaped
from ftc.diagnostics.shown import shown
from ftc.driver import Request, compile_job
from ftc.source import documents
from ftc.targets import POD_TARGETS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ftc.api.runs import Places
    from ftc.cluster.before import Problem
    from ftc.cluster.cause import Remedy
    from ftc.cluster.origin import Manifest
    from ftc.cluster.submit import Created
    from ftc.driver import State
    from ftc.source import Document


@dataclass(frozen=True, repr=False)
class Submitted:
    """A job that was created, or that a dry run accepted."""

    name: str
    """The name that the API server gave the job; after a dry run, another job gets another name."""
    namespace: str
    objects: tuple[str, ...]
    """The created objects, as kubectl writes them: `jobs.batch.volcano.sh/NAME`; the job is the last one."""
    directory: str
    """The directory of the run in its pods; empty for pods that ftc did not write."""
    next: tuple[str, ...]
    """The commands that show the job, its logs, and why it does not run."""
    findings: tuple[Diagnostic, ...]
    """The warnings and notes of the compile, and what could not be checked in the cluster."""
    is_dry_run: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """Everything but the findings, as `ftc submit --json` prints it."""
        fields = ("name", "namespace", "objects", "directory", "next")
        return {**{name: getattr(self, name) for name in fields}, "dry_run": self.is_dry_run}

    @property
    def text(self) -> str:
        """The lines that the command prints."""
        verb = "would create" if self.is_dry_run else "created"
        lines = [f"{verb} {one} in namespace {self.namespace}" for one in self.objects]
        if not self.is_dry_run:
            lines += [f"the run writes to {self.directory}"] if self.directory else []
            lines += ["next:", *(f"  {one}" for one in self.next)]
        return "".join(f"{escaped(line)}\n" for line in lines)

    def __repr__(self) -> str:
        return f"<submitted: {self.name}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_text  # noqa: PLC0415 - notebooks only

        return of_text(self.text)


def submit(  # noqa: PLR0913 - the options of the command
    *overrides: str,
    files: Sequence[str | Path] = (),
    texts: Mapping[str, str | bytes] = MappingProxyType({}),
    config_name: str = "config",
    config_dirs: Places = (),
    target: str = "volcano",
    namespace: str | None = None,
    context: str | None = None,
    dry_run: bool = False,
    ignore_preflight: bool = False,
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Submitted:
    """Compile a run, check that the cluster can run it, and create it.

    Args:
        overrides: `group=option` or `key.path=value`, as on the command line.
        files: Manifests of one job instead of overrides.
        texts: Manifests that are not files, by the name that findings use for them.
        config_name: The primary config, NAME.yaml in one of your conf trees.
        config_dirs: Your conf trees, searched before the shipped one.
        target: The target that runs the pod: `volcano` or `job`.
        namespace: The namespace; by default that of the manifest, or of the context.
        context: The context of the kubeconfig; by default the current one.
        dry_run: Whether to check everything and create nothing.
        ignore_preflight: Whether to create the job although the cluster could not run it now.
        ignore: Rules to suppress, by name or code.
        strict: Whether warnings are errors.

    Raises:
        RefusedError: the configuration or a manifest has errors.
        ClusterRefusedError: the cluster refuses the job or could not run it; nothing was created.
        ValueError: the target does not exist, or there are overrides and files.
        OSError: a file or a conf tree cannot be read.

    """
    if overrides and (files or texts):
        raise ValueError("give overrides or files, not both")
    known((target,), POD_TARGETS)
    request = Request(overrides, directories(config_dirs), config_name, (target,), tuple(ignore), strict)
    run = _of_files(files, texts, ignore, strict=strict) if files or texts else _of_request(request, target)
    with answers():
        server = Server(context, _namespace(run.manifests, namespace))
        created = _create(server, run, dry_run=dry_run, despite=ignore_preflight)
    job, findings = created.objects[-1], (*run.findings, *shown(_notes(created.notes)))
    commands = _next(name_of(job), server, context)
    where = "" if dry_run else directory(job)
    return Submitted(name_of(job), server.namespace, created.resources, where, commands, findings, dry_run)


class _Run(NamedTuple):
    """The objects to create, the findings in them, and whether the override of a remedy helps."""

    manifests: tuple[Manifest, ...]
    findings: tuple[Diagnostic, ...]
    fits: Callable[[str], bool]


def _of_request(request: Request, target: str) -> _Run:
    """The objects of a compiled run; a remedy fits if it compiles and changes them."""
    _, state = sound(request)

    def fits(override: str) -> bool:
        words = shlex.split(override)
        other = words[1] if words[0] == "-t" else target
        more = () if words[0] == "-t" else tuple(words)
        changed = msgspec.structs.replace(request, overrides=(*request.overrides, *more), targets=(other,))
        made = compile_job(changed)
        return not has_errors(made.diagnostics) and made.outputs != state.outputs

    return _Run((*_scripts(state), *compiled(state, target)), shown(state.diagnostics), fits)


def _scripts(state: State) -> Iterator[Manifest]:
    """The ConfigMap that the pods read ftc's scripts from, if they do."""
    if state.run is not None and state.run.config_map:
        made = {"scripts": TARGETS["scripts"].text(state.run)}
        yield from compiled(msgspec.structs.replace(state, outputs=made), "scripts")


def _of_files(
    files: Sequence[str | Path], texts: Mapping[str, str | bytes], ignore: Sequence[str], *, strict: bool
) -> _Run:
    """The objects of files that lint finds no errors in."""
    found = lint(*files, texts=texts, ignore=ignore, strict=strict)
    if found.has_errors:
        raise RefusedError(findings=found.findings)
    raw = {name: text if isinstance(text, bytes) else text.encode() for name, text in texts.items()}
    raw |= {name: Path(name).read_bytes() for name in found.files if name not in texts}
    read = [one for name, text in raw.items() for one in documents(text, name)[0] if one.data is not None]
    manifests = tuple(manifest for one in read for manifest in _objects(one))
    jobs = [one for one in manifests if is_workload(one.content)]
    if len(jobs) != 1:
        number = "no job" if not jobs else f"{len(jobs)} jobs"
        raise RefusedError(f"the files have {number}: give the manifest of one job, with the objects that it needs")
    return _Run(manifests, found.findings, lambda _: False)


def _objects(document: Document) -> Iterator[Manifest]:
    """The objects of a document; a List has several."""
    items = at(document.data, "items") if at(document.data, "kind") == "List" else None
    if isinstance(items, list):
        yield from (in_file(document, one, ("items", index)) for index, one in enumerate(items))
    elif isinstance(document.data, dict) and "apiVersion" in document.data:
        yield in_file(document, document.data)


def _namespace(manifests: Sequence[Manifest], asked: str | None) -> str | None:
    """The namespace of the manifests; another one that was asked for is a mistake, as for kubectl."""
    given = {str(at(one.content, "metadata", "namespace")) for one in manifests} - {"None", str(asked)}
    if len(given) > 1 or (given and asked):
        names = ", ".join(sorted(given))
        raise RefusedError(f"the manifest names the namespace {names}: omit -n, or set namespace={asked or '…'}")
    return asked or next(iter(given), None)


def _create(server: Server, run: _Run, *, dry_run: bool, despite: bool) -> Created:
    """Create the objects; a refusal is reported at the places that caused it."""
    try:
        return create(server, run.manifests, dry_run=dry_run, despite=despite)
    except Refused as error:
        found = [_finding(manifest, problem, run.fits) for manifest, problem in error.found]
        findings = (*run.findings, *shown((*found, *_notes(error.notes), *_left(error.left))))
        raise ClusterRefusedError(findings=findings) from None


def _finding(manifest: Manifest, problem: Problem, fits: Callable[[str], bool]) -> Diagnostic:
    """A problem at the place that it comes from."""
    origin = manifest.origin(problem.place, problem.key)
    help_ = "; or ".join(_in_words(one, fits) for one in problem.cause.remedies)
    about = problem.cause
    return Diagnostic(
        code="", rule=about.kind, message=about.text, path=origin.path, position=origin.position, help=help_
    )


def _in_words(remedy: Remedy, fits: Callable[[str], bool]) -> str:
    """A remedy with the override or the command to paste; an override that does not help is left out."""
    override = remedy.override if remedy.override and fits(remedy.override) else ""
    words = override or remedy.command
    return f"{remedy.text}: {words}" if words else remedy.text


def _notes(sentences: Iterable[str]) -> list[Diagnostic]:
    return [Diagnostic(code="", rule="cluster", severity=Severity.NOTE, message=one) for one in sentences]


def _left(command: str) -> list[Diagnostic]:
    message = "an object that this command created could not be deleted"
    return [Diagnostic(code="", rule="left-over", message=message, help=command)] if command else []


def _next(name: str, server: Server, context: str | None) -> tuple[str, ...]:
    """The commands that show the job, with the options that find its namespace."""
    where = [] if server.namespace == server.default_namespace else ["-n", server.namespace]
    options = [*where, *(["--context", context] if context else [])]
    return tuple(shell("ftc", verb, name, *options) for verb in ("status", "logs", "why"))
