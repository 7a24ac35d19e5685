"""A plan as a Mermaid graph, which GitHub and GitLab draw: the nodes, their steps, the volumes, the queue."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ftc.diagnostics.printable import as_code, escaped
from ftc.plan.train import NAME
from ftc.summary.files import ONE_FOR_ALL
from ftc.summary.render import sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.summary.types import Stage, Summary, Volume

_LONGEST = 80
# More nodes would be too small to read; the others are alike.
_MOST_NODES = 4
# Letters of any script, and signs without a meaning in Mermaid, Markdown and HTML.
_MARKUP = re.compile(r"[^\w ./:,()+-]|_|www\.|://")


def mermaid(summary: Summary) -> str:
    """Write the graph."""
    return "".join(f"{line}\n" for line in ("flowchart TB", *(f"  {line}" for line in _graph(summary))))


def markdown(summary: Summary) -> str:
    """Write the graph and a table of the plan, as a comment on a pull request."""
    rows = "".join(f"| {label} | {'<br>'.join(_cells(lines))} |\n" for label, lines in sections(summary))
    return f"```mermaid\n{mermaid(summary)}```\n\n| | |\n| --- | --- |\n{rows}"


def _graph(summary: Summary) -> Iterator[str]:
    nodes = summary.topology.nodes
    shown = min(nodes, _MOST_NODES)
    where = f" in namespace {summary.namespace}" if summary.namespace else ""
    yield f"queue([{_label(f'queue {summary.queue}{where}')}])"
    yield f"subgraph job [{_label(summary.name)}]"
    for node in range(shown):
        yield from (f"  {line}" for line in _node(summary, node))
    if shown < nodes:
        yield f"  more[{_label(f'and {nodes - shown} more nodes')}]"
    yield "end"
    yield f"queue --> {' & '.join([*(f'step{node}_0' for node in range(shown)), *(['more'] if shown < nodes else [])])}"
    for index, volume in enumerate(summary.volumes):
        yield f"volume{index}[({_label(*_volume(volume))})]"
    yield from _results(summary)
    yield from _secrets(summary)


def _node(summary: Summary, node: int) -> Iterator[str]:
    topology = summary.topology
    devices = f"{topology.devices} x {topology.resource}" if topology.resource else "CPU"
    rank = ", rank 0" if node == 0 else ""
    yield f"subgraph node{node} [{_label(f'node {node}{rank}: {devices}')}]"
    yield "  direction TB"
    steps = [(index, stage) for index, stage in enumerate(summary.stages) if node == 0 or stage.nodes != "node 0"]
    for index, stage in steps:
        yield f"  step{node}_{index}[{_label(*_step(summary, stage, node))}]"
    for (first, _), (second, _) in pairwise(steps):
        yield f"  step{node}_{first} --> step{node}_{second}"
    yield "end"


def _step(summary: Summary, stage: Stage, node: int) -> Iterator[str]:
    """The name of a step, what it waits for, and for the training how its processes start and meet."""
    yield stage.name
    if stage.nodes == ONE_FOR_ALL and node > 0:
        yield "waits for node 0"
    topology = summary.topology
    if stage.name == NAME:
        processes = topology.processes // topology.nodes
        yield f"{topology.launcher}, {processes} process{'es' if processes > 1 else ''}"
        if topology.nodes > 1:
            yield f"{'rendezvous at' if node == 0 else 'joins'} {topology.rank_0}:{topology.port}"


def _volume(volume: Volume) -> tuple[str, str]:
    return (
        f"{volume.name}: {volume.holds}",
        f"{volume.path}, {'lost with ' + volume.gone_with if volume.gone_with else 'kept'}",
    )


def _results(summary: Summary) -> Iterator[str]:
    """From the steps of node 0 to the volumes that hold what they leave; the other nodes have the same volumes."""
    places = {step: _of_volume(stage, summary.volumes) for step, stage in enumerate(summary.stages)}
    for step, volume in places.items():
        yield from [] if volume is None else [f"step0_{step} --> volume{volume}"]
    for volume in set(range(len(summary.volumes))) - set(places.values()):
        yield f"step0_{_training(summary)} --- volume{volume}"


def _secrets(summary: Summary) -> Iterator[str]:
    """To the steps of node 0 whose containers read them; a Secret for the image is read before the first."""
    steps = {stage.name: step for step, stage in enumerate(summary.stages)}
    for index, secret in enumerate(summary.secrets):
        yield f"secret{index}{{{{{_label(f'Secret {secret.name}', ', '.join(secret.keys))}}}}}"
        for reader in secret.containers:
            yield f"secret{index} -.-> step0_{steps.get(reader, 0)}"


def _training(summary: Summary) -> int:
    return next(step for step, stage in enumerate(summary.stages) if stage.name == NAME)


def _of_volume(stage: Stage, volumes: Iterable[Volume]) -> int | None:
    """The volume with the longest path above the place of a step's result."""
    found = [
        (len(volume.path), index)
        for index, volume in enumerate(volumes)
        if stage.leaves and f"{stage.leaves}/".startswith(f"{volume.path.rstrip('/')}/")
    ]
    return max(found)[1] if found else None


def _label(*lines: str) -> str:
    """Quote a label; everything that Mermaid, Markdown or HTML could read as markup is an entity."""
    return f'"{"<br/>".join(_plain(line) for line in lines)}"'


def _plain(text: str) -> str:
    cut = escaped(text)
    cut = cut if len(cut) <= _LONGEST else f"{cut[: _LONGEST - 1]}…"
    return _MARKUP.sub(lambda found: "".join(f"#{ord(letter)};" for letter in found[0]), cut)


def _cells(lines: Iterable[str | tuple[str, ...]]) -> Iterator[str]:
    for line in lines:
        yield as_code((line if isinstance(line, str) else "  ".join(line)).strip())
