"""Rules on work that one pod does for all: download into a shared directory, merge, push."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.files import directory_at, join
from ftc.manifests.program import stops
from ftc.manifests.steps import Run, Step, mount_of
from ftc.manifests.subjects import MANY
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.shell.script import Command

_HUBS = ("huggingface-cli", "hf", "modelscope")


def _words(command: Command) -> list[str]:
    """The words of a command without options and arguments of `git -c`."""
    texts = [word.text if word.text is not None else word.raw for word in command.arguments]
    kept, skip = [], False
    for text in texts:
        if skip or text.startswith("-"):
            skip = not skip and text in ("-c", "-C", "--depth", "-b", "--branch")
            continue
        kept.append(text)
    return kept


def _is_fetch(command: Command) -> bool:
    words = _words(command)
    return (command.name == "git" and words[:1] == ["clone"]) or (command.name in _HUBS and words[:1] == ["download"])


def _is_push(command: Command) -> bool:
    words = _words(command)
    pushes = words[:1] == ["push"] or words[:2] == ["lfs", "push"]
    return (command.name == "git" and pushes) or (command.name in _HUBS and words[:1] == ["upload"])


def _is_merge(command: Command) -> bool:
    return command.name in ("llamafactory-cli", "lmf") and _words(command)[:1] == ["export"]


def _commands(run: Run) -> Iterator[tuple[Step, Command]]:
    for step in run.steps:
        for command in step.program.script.commands if step.program is not None else ():
            yield step, command


def _severity(run: Run, step: Step, command: Command) -> Severity | None:
    """The severity if every pod of a template runs a command; None for one pod, or behind a condition."""
    if step.on_one_pod(command):
        return None
    if (step.pod.replicas or 0) >= MANY:
        return Severity.WARNING
    alone = run.job.total == 1 or step.pod.crew.added  # the other pods of a TrainJob have other templates
    return Severity.NOTE if step.pod.replicas == 1 and run.spreads and alone else None


def _how_many(step: Step, severity: Severity) -> str:
    return f"each of {step.pod.replicas} pods" if severity is Severity.WARNING else "with more replicas each pod"


def _target(step: Step, command: Command) -> str:
    """The directory that a download writes into or next to."""
    words = command.arguments
    where = directory_at(step, command.start)
    option = next((i for i, word in enumerate(words) if word.text in ("--local-dir", "--cache-dir")), None)
    named = words[option + 1] if option is not None and option + 1 < len(words) else None
    if named is None and command.name == "git" and len(_words(command)) > MANY:
        named = words[-1]
    path = step.value(named) if named is not None else ""
    return join(where, path) if path is not None else where


def _is_shared(step: Step, path: str) -> bool:
    """Whether a directory is on a claim, which all pods share."""
    mount = mount_of(step, path) if path.startswith("/") else None
    volume = next((v for v in step.pod.spec.volumes if mount is not None and v.name == mount.name), None)
    if volume is not None:
        return volume.persistent_volume_claim is not None
    of_job = [volume.mount_path for volume in step.pod.job.job_volumes if not step.init]
    return mount is None and any(path == one or path.startswith(f"{one.rstrip('/')}/") for one in of_job if one)


def one_pod_downloads(run: Run) -> Iterator[Finding]:
    """One pod downloads to a volume that pods share.

    Several clones or downloads into one directory overwrite and delete each other's files. The second pod may also find
    an incomplete clone and use it.
    Source: git, clone; huggingface_hub, --local-dir.

    Wrong: tests/corpus/bad/FTC886-two-clones-in-one-directory.yaml
    Right: tests/corpus/good/FTC886-clone-of-rank-0.yaml
    """
    for step, command in _commands(run):
        if not _is_fetch(command) or not _is_shared(step, _target(step, command)):
            continue
        severity = _severity(run, step, command)
        if severity is not None and step.program is not None:
            message = f"{_how_many(step, severity)} downloads to the same directory of a shared volume"
            help_ = "download in a separate Job, or on rank 0 while the others wait for a marker file"
            yield Finding(step.program.at(command.start), message, help_, severity=severity)


def no_partial_download(run: Run) -> Iterator[Finding]:
    """A script does not take an existing directory for a complete download.

    An interrupted clone leaves its directory, which persists on a claim. Every later pod skips the download and fails,
    or trains on incomplete data.
    Source: git, clone (it cleans up after an error, not after a kill).

    Wrong: tests/corpus/bad/FTC887-partial-clone.yaml
    Right: tests/corpus/good/FTC887-clone-and-rename.yaml
    """
    for step, command in _commands(run):
        program = step.program
        if program is None or not _is_fetch(command) or not {"d", "e"} & command.context.guards:
            continue
        removed = [
            word.raw for one in program.script.named("rm") if one.start < command.start for word in one.arguments
        ]
        tested = set(removed) & {f"${{{name}}}" for name in command.context.guards}
        moved = any(one.start > command.start for one in program.script.named("mv"))
        if _is_shared(step, _target(step, command)) and not tested and not moved:
            message = "an interrupted download leaves a directory, which the next pod takes for a complete one"
            help_ = "download to a temporary directory and rename it when the download is complete"
            yield Finding(program.at(command.start), message, help_)


def one_rank_merges_and_pushes(run: Run) -> Iterator[Finding]:
    """Only rank 0 merges and publishes.

    Only rank 0 has written the adapter. On another node's local directory the merge does not find it and fails a
    successful training; on a shared one all nodes write the same files and push to the same branch.
    Source: LLaMA-Factory, train/tuner.py; transformers (save_on_each_node).

    Wrong: tests/corpus/bad/FTC888-all-merge-and-push.yaml
    Right: tests/corpus/good/FTC888-rank-0-merges-and-pushes.yaml
    """
    for step, command in _commands(run):
        merges = _is_merge(command)
        severity = _severity(run, step, command) if merges or _is_push(command) else None
        if severity is not None and step.program is not None:
            message = f"{_how_many(step, severity)} {'merges the adapter' if merges else 'pushes the result'}"
            help_ = 'exit the others first: [ "$NODE_RANK" = 0 ] || exit 0'
            yield Finding(step.program.at(command.start), message, help_, severity=severity)


def failed_push_keeps_training(run: Run) -> Iterator[Finding]:
    """A failed push does not fail the training.

    In one script with `set -e` it fails the pod, and a restart repeats the training before it pushes again.
    Source: bash, set -e.

    Wrong: tests/corpus/bad/FTC889-push-after-training.yaml
    Right: tests/corpus/good/FTC889-push-that-may-fail.yaml
    """
    for step in run.steps:
        program = step.program
        first = min((launch.command.start for launch in step.launches), default=None)
        if program is None or first is None or not stops(program):
            continue
        for command in program.script.commands:
            if command.start > first and _is_push(command) and not command.context.handled:
                message = "if the push fails, the pod fails after a successful training"
                help_ = "push in a separate Job, or skip the training if its result exists"
                yield Finding(program.at(command.start), message, help_)


RULES = (
    Rule("FTC886", "download-race-on-shared-volume", one_pod_downloads, Run, Severity.WARNING),
    Rule("FTC887", "partial-download-reused", no_partial_download, Run, Severity.WARNING),
    Rule("FTC888", "merge-or-push-on-every-rank", one_rank_merges_and_pushes, Run, Severity.WARNING),
    Rule("FTC889", "failed-push-fails-training", failed_push_keeps_training, Run, Severity.NOTE),
)
