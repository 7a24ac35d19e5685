"""A summary as one screen of text, 100 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.summary.types import Batch, DeviceMemory, HostMemory, Summary, Topology

_WIDTH = 100
_LABEL = 11
_TOGETHER = "\u00a0"
_LEAST_MIB = 50
_WAITS = {
    "download": "for each download",
    "name_of_node_0": "for node 0's name",
    "lost_peer": "until a lost peer fails the job",
    "pod": "for a pod in all",
    "kept": "kept once it has ended",
}


def render(summary: Summary) -> str:
    """The text."""
    sections = (
        ("run", _run(summary)),
        ("topology", _topology(summary)),
        ("batch", _batch(summary.batch, summary.topology)),
        ("memory", [*_memory(summary.memory), *_host(summary.host)]),
        ("pod", _pod(summary)),
        ("storage", _storage(summary)),
        ("fetches", _fetches(summary)),
        ("steps", _stages(summary)),
        ("waits", _waits(summary)),
        ("restarts", [summary.on_failure]),
        ("defaults", _table((default.field, default.value) for default in summary.defaults)),
        ("secrets", _secrets(summary)),
        ("metrics", list(summary.metrics)),
    )
    return "".join(_section(label, list(lines)) for label, lines in sections)


def _section(label: str, lines: list[str]) -> str:
    """The label stands before the first line; without lines there is none."""
    shown = [part for line in lines for part in _folded(escaped(line))]
    labels = [label, *[""] * len(shown)]
    return "".join(inert(f"{name:{_LABEL}}{line}".rstrip()) + "\n" for name, line in zip(labels, shown, strict=False))


def _folded(line: str) -> list[str]:
    """Broken between words, or inside one that is longer than a line; what stands together stays so."""
    found = textwrap.wrap(line, _WIDTH - _LABEL, subsequent_indent="  ", break_on_hyphens=False)
    return [part.replace(_TOGETHER, " ") for part in found]


def _listed(items: Iterable[str]) -> str:
    return ", ".join(item.replace(" ", _TOGETHER) for item in items)


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows in aligned columns, the last as long as it is."""
    cells = [tuple(row) for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]) - 1)] if cells else []
    return [
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in cells
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
        together = "all nodes start together or none" if whole else f"starts with {least}, and takes more as they come"
        yield f"{together}; the ranks meet at {topology.rank_0}, port {topology.port}"


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _batch(batch: Batch | None, topology: Topology) -> Iterator[str]:
    if batch is None:
        yield "the program's own"
        return
    processes = _counted(batch.processes, "process", "processes")
    parts = f"{batch.per_device} a device x {batch.accumulation} accumulated x {processes}"
    holding = ", packed with rows" if batch.packed else ""
    yield f"{parts} = {batch.sequences} sequences a step, of {batch.cutoff_length} tokens at most{holding}"
    if topology.min_nodes < topology.nodes:
        yield f"that is of all {topology.nodes} nodes: with fewer a step sees fewer"
    if batch.steps is not None:
        yield _counted(batch.steps, "step", "steps")
    elif batch.epochs is not None:
        most = f", {batch.steps_at_most} steps at most" if batch.steps_at_most else ""
        what = "packed sequences" if batch.packed else "rows"
        yield f"{batch.epochs:g} epochs of ({what} / {batch.sequences}) steps{most}"


def _memory(memory: DeviceMemory) -> Iterator[str]:
    room = f"{_gib(memory.device_mib)} GiB a device" if memory.device_mib else "a device of unknown memory"
    if memory.total_mib is None:
        yield f"not estimated: {memory.unknown}"
        return
    share = f" ({100 * memory.total_mib / memory.device_mib:.0f} %)" if memory.device_mib else ""
    yield f"about {_gib(memory.total_mib)} GiB of {room}{share}, every sequence full"
    found = sorted(memory.terms_mib.items(), key=lambda item: -item[1])
    yield _listed(f"{name} {_gib(mib)}" for name, mib in found if mib >= _LEAST_MIB)


def _host(host: HostMemory | None) -> Iterator[str]:
    if host is not None:
        yield f"about {_gib(host.need_mib)} GiB of the host {host.purpose}"


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f}"


def _pod(summary: Summary) -> list[str]:
    images = {container.image for container in summary.containers}
    rows = []
    for container in summary.containers:
        limits = ", ".join(f"{name} {value}" for name, value in container.limits.items())
        image = [container.image] if len(images) > 1 else []
        rows.append((container.name, ", ".join([limits or "no limits", *image])))
    shm = [("/dev/shm", f"{summary.shm}, inside the memory of train")] if summary.shm else []  # noqa: S108 - the mount
    user = [("runs as", f"user {summary.run_as_user}")] if summary.run_as_user is not None else []
    account = [("account", summary.service_account)] if summary.service_account else []
    return [*(sorted(images) if len(images) == 1 else []), *_table([*rows, *shm, *user, *account])]


def _storage(summary: Summary) -> list[str]:
    rows = [
        (volume.name, volume.path, volume.holds, f"{volume.access}, {_end(volume.gone_with)}")
        for volume in summary.volumes
    ]
    return [*_table(rows), f"the run writes to {summary.run_directory}"]


def _end(gone_with: str | None) -> str:
    return f"lost with {gone_with}" if gone_with else "stays"


def _fetches(summary: Summary) -> Iterator[str]:
    for fetch in summary.fetches:
        yield f"{fetch.name}: {fetch.kind} {fetch.origin}"
        revision = [f"at {fetch.revision}"] if fetch.revision else []
        place = [f"to {fetch.directory}"] if fetch.directory != fetch.origin else []
        yield f"  {_listed([*revision, *place, fetch.by])}"


def _stages(summary: Summary) -> list[str]:
    numbered = enumerate(summary.stages, 1)
    return _table(
        (f"{number} {stage.name}", stage.nodes, f"-> {stage.leaves}" if stage.leaves else stage.runs)
        for number, stage in numbered
    )


def _waits(summary: Summary) -> list[str]:
    waits = [f"{value} s {_WAITS[what]}" for what, value in summary.seconds.items()]
    return [_listed(waits)] if waits else []


def _secrets(summary: Summary) -> list[str]:
    rows = [(secret.name, f"{', '.join(secret.keys)} for {', '.join(secret.containers)}") for secret in summary.secrets]
    return _table(rows) or ["none"]
