"""`ftc.compile` and `ftc.plan`."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ftc.api.refused import RefusedError
from ftc.diagnostics.model import did_you_mean, has_errors
from ftc.driver import ALL_TARGETS, ARTIFACTS, SPEC, Request, State, compile_job
from ftc.output.write import Artifact, also_marked, foreign, only_writer, write, written_before
from ftc.targets import POD_TARGETS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftc.diagnostics.model import Diagnostic
    from ftc.spec.job import JobSpec
    from ftc.summary.types import Summary

Places: TypeAlias = str | Path | Sequence[str | Path]
"""A directory, or several."""


class Written(NamedTuple):
    """The names of the files that were written, and of those of an earlier compile that were removed."""

    files: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, repr=False, eq=False)
class Compiled:
    """A compiled run. A notebook shows its manifests, folded, and its findings."""

    spec: JobSpec
    """The resolved spec: `spec.nodes`, `spec.hardware.device`."""
    _state: State

    @cached_property
    def artifacts(self) -> Mapping[str, str]:
        """Every file of the run, name to text: the resolved spec, the manifests, and the files that they carry."""
        return MappingProxyType({one.name: one.text for one in self._state.artifacts()})

    @property
    def text(self) -> str:
        """The text of the first target, as the command prints it."""
        return next(iter(self._state.outputs.values()))

    @cached_property
    def findings(self) -> tuple[Diagnostic, ...]:
        """The warnings and notes, without secrets."""
        return _findings(self._state)

    def write(self, directory: str | Path) -> Written:
        """Write every artifact into a directory, which may have the files of an earlier compile.

        Raises:
            RefusedError: a file that ftc did not write is in the way.
            OSError: the system refuses.

        """
        return _write(self._state.artifacts(), Path(directory))

    def __repr__(self) -> str:
        return f"<compiled: {', '.join(self.artifacts)}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_compiled  # noqa: PLC0415 - notebooks only

        return of_compiled(self.artifacts, self.findings)


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run does and needs. A notebook shows it as a table, with the memory of a device as a bar."""

    summary: Summary
    """The facts, as `ftc plan --json` prints them."""
    findings: tuple[Diagnostic, ...]
    """The warnings and notes, without secrets."""

    @property
    def text(self) -> str:
        """One screen of text, as the command prints it."""
        from ftc.summary.render import render  # noqa: PLC0415 - --json does not print it

        return render(self.summary)

    @property
    def mermaid(self) -> str:
        """A graph of the nodes, steps and volumes, which GitHub and GitLab draw in a block of Markdown."""
        from ftc.summary.mermaid import mermaid  # noqa: PLC0415 - one of several forms

        return mermaid(self.summary)

    @property
    def markdown(self) -> str:
        """The graph and a table, for a comment on a pull request."""
        from ftc.summary.mermaid import markdown  # noqa: PLC0415 - one of several forms

        return markdown(self.summary)

    def __repr__(self) -> str:
        return f"<plan of {self.summary.name}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_plan  # noqa: PLC0415 - notebooks only

        return of_plan(self.summary, self.findings)


def compile(  # noqa: A001 - the command's name and options
    *overrides: str,
    config_name: str = "config",
    config_dirs: Places = (),
    targets: Sequence[str] = ALL_TARGETS,
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Compiled:
    """Compile a run to its manifests.

    Args:
        overrides: `group=option` or `key.path=value`, as on the command line.
        config_name: The primary config, NAME.yaml in one of your conf trees.
        config_dirs: Your conf trees, searched before the shipped one.
        targets: What to emit: `volcano`, `job`, `storage`, `prefetch`, `llamafactory`, `image`, `script`.
        ignore: Rules to suppress, by name or code.
        strict: Whether warnings are errors.

    Raises:
        RefusedError: the configuration has errors.
        ValueError: a target does not exist.
        NotADirectoryError: a conf tree does not exist.

    """
    known(targets, TARGETS)
    return Compiled(
        *sound(Request(overrides, directories(config_dirs), config_name, tuple(targets), tuple(ignore), strict))
    )


def plan(
    *overrides: str,
    config_name: str = "config",
    config_dirs: Places = (),
    target: str = "volcano",
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Plan:
    """Summarize a run: its nodes and processes, memory, volumes, steps and Secrets.

    Args:
        overrides: `group=option` or `key.path=value`, as on the command line.
        config_name: The primary config, NAME.yaml in one of your conf trees.
        config_dirs: Your conf trees, searched before the shipped one.
        target: What runs the pod: `volcano` or `job`.
        ignore: Rules to suppress, by name or code.
        strict: Whether warnings are errors.

    Raises:
        RefusedError: the configuration has errors.
        ValueError: the target does not exist, or does not run a pod.
        NotADirectoryError: a conf tree does not exist.

    """
    from ftc.summary.build import summary as summarized  # noqa: PLC0415 - a compile does not need it

    known((target,), POD_TARGETS)
    spec, state = sound(Request(overrides, directories(config_dirs), config_name, (target,), tuple(ignore), strict))
    run = state.pods[target]
    return Plan(summarized(spec, run, POD_TARGETS[target].summary(run)), _findings(state))


def sound(request: Request) -> tuple[JobSpec, State]:
    """Compile a run, or refuse it because of its errors."""
    state = compile_job(request)
    if has_errors(state.diagnostics) or state.spec is None:
        raise RefusedError(findings=_findings(state))
    return state.spec, state


def _findings(state: State) -> tuple[Diagnostic, ...]:
    if not state.diagnostics:
        return ()
    from ftc.diagnostics.shown import shown  # noqa: PLC0415 - findings are rare

    return shown(state.diagnostics)


def directories(places: Places) -> tuple[Path, ...]:
    """The directories, which must exist."""
    found = tuple(Path(place) for place in ((places,) if isinstance(places, str | Path) else places))
    for place in found:
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    return found


def known(names: Iterable[str], targets: Iterable[str]) -> None:
    """Refuse the name of a target that does not exist."""
    for name in names:
        if name not in targets:
            raise ValueError(f"unknown target '{name}'; {did_you_mean(name, targets)}")


def _write(artifacts: tuple[Artifact, ...], directory: Path) -> Written:
    with only_writer(directory):
        before = written_before(directory / SPEC, ARTIFACTS)
        if there := foreign(directory, artifacts, before):
            listed = ", ".join(there)
            raise RefusedError(f"{directory} has files that ftc did not write ({listed}): choose another directory")
        stale = write(directory, artifacts, before, _journal(artifacts, before))
    return Written(tuple(one.name for one in artifacts), tuple(stale))


def _journal(artifacts: tuple[Artifact, ...], before: tuple[str, ...]) -> Artifact:
    """The spec, whose list of written files also names those of the previous compile."""
    spec = next(artifact for artifact in artifacts if artifact.name == SPEC)
    return Artifact(SPEC, also_marked(spec.text, before))
