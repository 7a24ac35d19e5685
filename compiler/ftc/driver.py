"""The compiler, pass by pass: from overrides to artifacts."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.compose import Composed, Conf, compose
from ftc.compose.references import resolved
from ftc.conf_tree import search_path, shipped_name
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, Severity, as_errors, has_errors, without_follow_ups
from ftc.diagnostics.printable import STARS, without_secrets
from ftc.output import spec_text
from ftc.output.write import KUSTOMIZATION, Artifact, kustomization, marked
from ftc.plan import files, names
from ftc.plan.build import plan
from ftc.plan.types import BoundRun, Made, RunPlan
from ftc.resources import directory
from ftc.rules.check import check, fragments, ignores, silenced
from ftc.rules.given import Origins
from ftc.spec.job import JobSpec
from ftc.spec.schema import keeps_text, settle_kinds
from ftc.targets import POD_TARGETS, TARGETS, bound, outputs
from ftc.validate import validate

if TYPE_CHECKING:
    from collections.abc import Collection

ALL_TARGETS = tuple(name for name, target in TARGETS.items() if not target.on_request)
SPEC = "spec.yaml"
ARTIFACTS = (
    SPEC,
    *(target.file for target in TARGETS.values() if target.file),
    *files.NAMES,
    KUSTOMIZATION,
)


class Request(msgspec.Struct, frozen=True):
    """The input of a compile; `config_dirs` come before the shipped conf.

    `ignore` suppresses rules in addition to the spec's `ignore`; `strict` turns warnings into errors. `varied` are the
    overrides that distinguish a point of a matrix from the others. `scripts_at` is the directory with the ConfigMap of
    the scripts, as the kustomization names it, if several compiles share one; otherwise empty.
    """

    overrides: tuple[str, ...] = ()
    config_dirs: tuple[Path, ...] = ()
    config_name: str = "config"
    targets: tuple[str, ...] = ALL_TARGETS
    ignore: tuple[str, ...] = ()
    strict: bool = False
    varied: tuple[str, ...] = ()
    scripts_at: str = ""


class State(msgspec.Struct, frozen=True):
    """The results of the passes so far; `outputs` holds the text of each target, `pods` the bound run of each.

    A given `conf` is used as it is, and must be that of the request's `config_dirs`.
    """

    request: Request
    conf: Conf | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    composed: Composed | None = None
    spec: JobSpec | None = None
    run: RunPlan | None = None
    pods: dict[str, BoundRun] = {}
    outputs: dict[str, str] = {}

    def artifacts(self) -> tuple[Artifact, ...]:
        """Every file: the resolved spec, the manifests, and what the manifests carry."""
        if self.spec is None or self.run is None:
            return ()
        manifests = [Artifact(file, text) for name, text in self.outputs.items() if (file := TARGETS[name].file)]
        is_run = any(not TARGETS[name].before_runs for name in self.outputs)
        carried = [Artifact(file.name, file.text) for file in self.run.files] if is_run else []
        made = (*manifests, *carried, *self._kustomization())
        return (Artifact(SPEC, marked(spec_text.text(self.spec), (SPEC, *(artifact.name for artifact in made)))), *made)

    def _kustomization(self) -> tuple[Artifact, ...]:
        """Add one if names are fixed, so that the objects can be applied; of two targets that run the job, the first.

        The objects that runs expect always have fixed names. The kustomization of a run includes its scripts.
        """
        runs = [name for name in POD_TARGETS if name in self.outputs]
        before = [name for name, target in TARGETS.items() if target.before_runs and name in self.outputs]
        if self.run is None or not (runs or before) or (runs and self.run.generate_name):
            return ()
        shared = [self.request.scripts_at] if self.lacks_scripts and self.request.scripts_at else []
        resources = [*shared, *(str(TARGETS[name].file) for name in (*before, *runs[:1]))]
        return (Artifact(KUSTOMIZATION, kustomization(resources, [str(TARGETS[name].file) for name in runs[1:]])),)

    @property
    def lacks_scripts(self) -> bool:
        """Whether the files have a run with a fixed name, but not the ConfigMap that its pods mount."""
        runs = any(name in POD_TARGETS for name in self.outputs) and "scripts" not in self.outputs
        return runs and self.run is not None and self.run.config_map is not None and not self.run.generate_name


def conf_of(config_dirs: tuple[Path, ...]) -> Conf:
    """A cache of the conf directories; the shipped conf is read once per process."""
    return Conf(search_path(config_dirs), keeps_text) if config_dirs else _shipped(shipped_name())


@cache
def _shipped(shown: str) -> Conf:
    return Conf([(directory("conf"), shown)], keeps_text)


def _compose(state: State) -> State:
    request = state.request
    conf = state.conf or conf_of(request.config_dirs)
    composed, found = compose(request.overrides, conf, request.config_name)
    return _replace(state, composed=composed and _settled(composed), diagnostics=found)


def _settled(composed: Composed) -> Composed:
    return msgspec.structs.replace(composed, data=settle_kinds(composed.data, composed.rank))


def _validate(state: State) -> State:
    """Validate even after errors of composition, so that the user sees all errors; follow-ups are left out."""
    if state.composed is None:
        return state
    explained = [d.path for d in state.diagnostics if d.path]
    found = validate(state.composed)
    fresh = tuple(d for d in found if not any(d.path[: len(path)] == path for path in explained))
    return _replace(state, diagnostics=without_follow_ups(state.diagnostics + fresh))


def _convert(state: State) -> State:
    spec = msgspec.convert(state.composed and state.composed.data, JobSpec)
    varied = state.request.varied
    return _replace(state, spec=msgspec.structs.replace(spec, name=names.of_point(spec, varied)) if varied else spec)


def _plan(state: State) -> State:
    return _replace(state, run=plan(state.spec, origin=_origin(state))) if state.spec else state


def _origin(state: State) -> Made:
    """The origin of the job. Stars replace a value in which a part that is named like a secret has a value."""
    given = state.composed.overrides if state.composed else ()
    secret = {one.text for one in given if without_secrets(one.value, str(one.path[-1])) != one.value}

    def shown(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{text.partition('=')[0]}={STARS}" if text in secret else text for text in texts)

    return Made(shown(state.request.overrides), state.request.config_name, shown(state.request.varied))


def _fragments(state: State) -> State:
    if state.spec is None or state.run is None or state.composed is None:
        return state
    found = fragments(state.spec, state.run, state.composed.position)
    ignored = ignores(state.spec, state.composed.position, state.request.ignore) if found else ()
    return _replace(state, diagnostics=state.diagnostics + silenced(found, ignored, state.request.targets))


def origins(spec: JobSpec, composed: Composed, conf: Conf, targets: Collection[str]) -> Origins:
    """The subject of the rules on origins."""

    def settings(path: KeyPath) -> list[tuple[Position, Any]]:
        return [(one.position, resolved(one.value, one.path, composed.data)) for one in composed.settings(path)]

    ids = partial(conf.values, key="id")
    return Origins(spec, composed.position, composed.rank, composed.is_of_run, settings, ids, targets)


def _check(state: State) -> State:
    if state.spec is None or state.run is None or state.composed is None:
        return state
    request = state.request
    conf = state.conf or conf_of(request.config_dirs)
    found = check(origins(state.spec, state.composed, conf, request.targets), state.run, state.pods)
    ignored = ignores(state.spec, state.composed.position, request.ignore)
    left = silenced(found, ignored, request.targets) if ignored else found
    return _replace(state, diagnostics=state.diagnostics + (as_errors(left) if request.strict else left))


def _bind(state: State) -> State:
    return _replace(state, pods=bound(state.run, state.request.targets)) if state.run else state


def _emit(state: State) -> State:
    if state.spec is None or state.run is None:
        return state
    return _replace(state, outputs=outputs(state.spec, state.run, state.request.targets, state.pods))


def _verify(state: State) -> State:
    for name, text in state.outputs.items():
        if state.spec is not None:
            TARGETS[name].verify(text, state.spec.cluster)
    return state


def _replace(state: State, **changes: Any) -> State:
    return msgspec.structs.replace(state, **changes)


PASSES = (_compose, _validate, _convert, _plan, _fragments, _bind, _check, _emit, _verify)
_DESPITE_ERRORS = (_compose, _validate)


def compile_job(request: Request, conf: Conf | None = None) -> State:
    """Run the passes; errors stop them after validation. Findings at overrides keep the order of the overrides.

    Pass the `conf` (of `conf_of`) if several requests have the same directories: each file is then read once.
    """
    state = State(request, conf)
    for step in PASSES:
        if has_errors(state.diagnostics) and step not in _DESPITE_ERRORS:
            break
        state = step(state)
    place = {text: index for index, text in enumerate(request.overrides)}
    ordered = sorted(state.diagnostics, key=lambda d: place.get(d.position.source, -1) if d.position else -1)
    if has_errors(ordered) or not state.pods:  # notes are about a manifest
        ordered = [d for d in ordered if d.severity is not Severity.NOTE]
    return _replace(state, diagnostics=tuple(ordered))
