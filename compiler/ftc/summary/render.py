"""A summary as one screen of text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from ftc.diagnostics.columns import folded, padded, width
from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftc.summary.types import Batch, DeviceMemory, HostMemory, NodeUse, Requirement, Summary, Topology

Line: TypeAlias = "str | tuple[str, ...]"
"""A line of a section, or a row: the columns of rows that follow each other are aligned."""

Paint: TypeAlias = Callable[[str, str], str]
"""Colour a text by its role."""
WIDTH = 100
_LEAST = 40
LABEL = 11
_TOGETHER = "\u00a0"
_INDENT = "  "
_LEAST_MIB = 50
_WAITS = {
    "download": "for each download",
    "devices_idle": "at most with idle devices, unless -t prefetch has filled the cache",
    "name_of_node_0": "to resolve node 0's name",
    "lost_peer": "until a lost peer fails the job",
    "pod": "for a pod in total",
    "kept": "until the finished job is deleted",
}


def render(summary: Summary, columns: int = WIDTH, paint: Paint = lambda text, _: text) -> str:
    """Write the summary as text; `paint` colours the labels."""
    room = max(columns, _LEAST) - LABEL
    return "".join(
        _section(paint(f"{label:{LABEL}}", "label"), [part for line in _aligned(lines) for part in _folded(line, room)])
        for label, lines in sections(summary)
    )


def sections(summary: Summary) -> list[tuple[str, list[Line]]]:
    """The content of the summary by section, without empty ones."""
    found: tuple[tuple[str, Iterable[Line]], ...] = (
        ("run", _run(summary)),
        ("topology", _topology(summary)),
        ("batch", _batch(summary.batch, summary.topology)),
        ("memory", [*_memory(summary.memory), *_host(summary.host)]),
        ("pod", _pod(summary)),
        ("storage", _storage(summary)),
        ("fetches", _fetches(summary)),
        ("steps", _stages(summary)),
        ("variables", summary.environment.items()),
        ("waits", _waits(summary)),
        ("restarts", [summary.on_failure]),
        ("defaults", [(default.field, default.value) for default in summary.defaults]),
        ("secrets", _secrets(summary)),
        ("metrics", summary.metrics),
        ("requires", [(one.kind, _named(one)) for one in summary.requires]),
    )
    listed = [(label, list(lines)) for label, lines in found]
    return [(label, lines) for label, lines in listed if lines]


def _section(label: str, lines: list[str]) -> str:
    """Put the label before the first line."""
    first, *rest = (inert(line) for line in lines)
    return "".join(f"{line}\n" for line in (f"{label}{first}", *(f"{'':{LABEL}}{line}" for line in rest)))


def _folded(line: str, room: int) -> list[str]:
    """Break a line between words; joined words stay together if they fit in a line."""
    words = escaped(line).split(" ")
    fitting = (word if width(word) + len(_INDENT) <= room else word.replace(_TOGETHER, " ") for word in words)
    return [part.rstrip().replace(_TOGETHER, " ") for part in folded(" ".join(fitting), room, _INDENT)]


def _listed(items: Iterable[str]) -> str:
    return ", ".join(item.replace(" ", _TOGETHER) for item in items)


def _aligned(lines: Iterable[Line]) -> list[str]:
    found: list[str] = []
    for _, group in groupby(lines, lambda line: isinstance(line, str)):
        some = list(group)
        rows = [line for line in some if not isinstance(line, str)]
        found += _table(rows) if rows else [line for line in some if isinstance(line, str)]
    return found


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align rows in columns; the last column keeps its length."""
    widths = [max(width(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(padded(cell, wide) for cell, wide in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def _run(summary: Summary) -> Iterator[str]:
    where = f"namespace {summary.namespace}, " if summary.namespace else ""
    yield f"{summary.name}  ({where}queue {summary.queue})"
    yield summary.what
    if summary.versions:
        yield ", ".join(f"{name} {version}" for name, version in summary.versions.items())


def _topology(summary: Summary) -> Iterator[str]:
    topology = summary.topology
    on_cpu = f"{_counted(topology.devices, 'process', 'processes')} on the CPU"
    devices = f"{topology.devices} {topology.resource}" if topology.resource else on_cpu
    processes = _counted(topology.processes, "process", "processes")
    how = topology.launcher if summary.batch is None else f"{topology.launcher}, {topology.engine}"
    yield f"{_counted(topology.nodes, 'node', 'nodes')} x {devices} = {processes}, {how}"
    if topology.nodes > 1:
        least = _counted(topology.min_nodes, "node", "nodes")
        whole = topology.min_nodes == topology.nodes
        together = "all nodes start together" if topology.gang else "each node starts once it has room, and waits"
        together = together if whole else f"starts with {least}, others join later"
        yield f"{together}; rendezvous at {topology.rank_0}, port {topology.port}"


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _batch(batch: Batch | None, topology: Topology) -> Iterator[str]:
    if batch is None:
        yield "set by the program"
        return
    processes = _counted(batch.processes, "process", "processes")
    parts = f"{batch.per_device} per device x {batch.accumulation} accumulated x {processes}"
    holding = ", packed with rows" if batch.packed else ""
    yield f"{parts} = {batch.sequences} sequences per step of up to {batch.cutoff_length} tokens{holding}"
    if topology.min_nodes < topology.nodes:
        yield f"this is with all {topology.nodes} nodes: with fewer, a step has fewer sequences"
    if batch.steps is not None:
        yield _counted(batch.steps, "step", "steps")
    elif batch.epochs is not None:
        what = "packed sequences" if batch.packed else f"{batch.rows or ''} rows".strip()
        most = f" = {batch.steps_per_epoch} steps at most, {batch.steps_at_most} in total" if batch.rows else " steps"
        yield f"{batch.epochs:g} epochs of ({what} / {batch.sequences}){most}"


def _memory(memory: DeviceMemory) -> Iterator[str]:
    room = f"{_gib(memory.device_mib)} GiB per device" if memory.device_mib else "a device of unknown memory"
    if memory.total_mib is None:
        yield f"not estimated: {memory.unknown}"
        return
    share = f" ({100 * memory.total_mib / memory.device_mib:.0f} %)" if memory.device_mib else ""
    yield f"about {_gib(memory.total_mib)} GiB of {room}{share}, with {memory.assumed}"
    found = sorted(memory.terms_mib.items(), key=lambda item: -item[1])
    yield _listed(f"{name} {_gib(mib)}" for name, mib in found if mib >= _LEAST_MIB)


def _host(host: HostMemory | None) -> Iterator[str]:
    if host is not None:
        yield f"about {_gib(host.need_mib)} GiB of host memory {host.purpose}"


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f}"


def _pod(summary: Summary) -> list[Line]:
    images = {container.image for container in summary.containers}
    rows = []
    for container in summary.containers:
        limits = ", ".join(f"{name} {value}" for name, value in container.limits.items())
        image = [container.image] if len(images) > 1 else []
        rows.append((container.name, ", ".join([limits or "no limits", *image])))
    shm = [("/dev/shm", f"{summary.shm}, counted in the memory of train")] if summary.shm else []  # noqa: S108 - the mount
    user = [("runs as", f"user {summary.run_as_user}")] if summary.run_as_user is not None else []
    account = [("account", summary.service_account)] if summary.service_account else []
    return [*(sorted(images) if len(images) == 1 else []), *rows, *shm, *user, *account, *_excess(summary.node)]


def _excess(node: NodeUse | None) -> Iterator[str]:
    """A warning if a pod does not fit a usual node."""
    if node is not None and (node.pod_cpu > node.cpu or node.pod_memory_gib > node.memory_gib):
        cpu = f"cpu {node.pod_cpu:g} of {node.cpu}"
        yield f"more than a usual node of this hardware: {cpu}, memory {node.pod_memory_gib:g} of {node.memory_gib} GiB"


def _storage(summary: Summary) -> list[Line]:
    rows = [
        (volume.name, volume.path, volume.holds, f"{volume.access}, {_end(volume.gone_with)}")
        for volume in summary.volumes
    ]
    return [*rows, f"the run writes to {summary.run_directory}"]


def _end(gone_with: str | None) -> str:
    return f"lost with {gone_with}" if gone_with else "kept"


def _fetches(summary: Summary) -> Iterator[str]:
    for fetch in summary.fetches:
        yield f"{fetch.name}: {fetch.kind} {fetch.origin}"
        revision = [f"at {fetch.revision}"] if fetch.revision else []
        place = [f"to {fetch.directory}"] if fetch.directory != fetch.origin else []
        yield f"  {_listed([*revision, *place, fetch.by])}"


def _stages(summary: Summary) -> Iterator[Line]:
    for number, stage in enumerate(summary.stages, 1):
        yield f"{number} {stage.name}", stage.nodes, f"-> {stage.leaves}" if stage.leaves else stage.runs


def _waits(summary: Summary) -> list[str]:
    waits = [f"{value} s {_WAITS[what]}" for what, value in summary.seconds.items()]
    return [_listed(waits)] if waits else []


def _secrets(summary: Summary) -> list[Line]:
    rows = [(secret.name, f"{', '.join(secret.keys)} for {', '.join(secret.containers)}") for secret in summary.secrets]
    return [*rows] or ["none"]


def _named(one: Requirement) -> str:
    """The name of a requirement; the section of the Secrets says what they are for."""
    return one.name if one.kind == "Secret" else f"{one.name}  {one.about}".rstrip()
