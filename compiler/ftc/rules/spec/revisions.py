"""Rules on the revisions of sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from ftc.conf_tree import shipped_name
from ftc.diagnostics.model import KeyPath, Severity, dotted
from ftc.rules.given import Origins
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import is_dataset, source_path
from ftc.spec.source import FromHub, Git, HuggingFace, ModelScope
from ftc.targets import POD_TARGETS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Position
    from ftc.spec.job import JobSpec

# A branch by its name; a tag or another ref may be meant to stay.
_BRANCH = re.compile(r"|HEAD|refs/heads/.*|main|master|trunk|dev|develop")


def _branches(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    """The revisions that are branches; the trainer reads a direct dataset at its main branch only."""
    for name, source in spec.sources.items():
        kinds = Git | HuggingFace | ModelScope | FromHub if not is_dataset(name) else Git | HuggingFace | ModelScope
        if isinstance(source, kinds) and _BRANCH.fullmatch(source.revision):
            yield (*source_path(name), "revision"), source.revision


def _of_user(found: Origins, revision: KeyPath) -> KeyPath | None:
    """The key with which an override or a file of the user names the revision or the repository; None without one."""
    shipped = f"{shipped_name()}/"
    for key in (revision, (*revision[:-1], "repository"), (*revision[:-1], "url")):
        settings = found.settings(key)
        if settings and not settings[-1][0].source.startswith(shipped):
            return key
    return revision if found.spec.pins else None


def revision_is_fixed(found: Origins) -> Iterator[Finding]:
    """A run names commits or tags, not branches.

    Someone may push to a branch, so the same run gives another result next month, and the manifest does not show it.
    `ftc pin` writes the commits of today into your conf. For ModelScope name a tag: its clients list no commits. A
    repository without a revision is its default branch. The shipped options name branches too, because they describe no
    run: what they name is reported only if the run has pins. `ftc plan` shows every revision.
    Source: git, gitrevisions.

    Wrong: source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B model.source.revision=main
    Right: source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B model.source.revision=v1.0
    """
    if not any(name in POD_TARGETS or TARGETS[name].places for name in found.targets):  # none that downloads
        return
    branches = {place: name for key, name in _branches(found.spec) if (place := _of_user(found, key))}
    if branches:
        key, *others = branches
        branch = f"branch '{branches[key]}'" if branches[key] else "the default branch"
        also = f"; so may {' and '.join(map(dotted, others))}" if others else ""
        help_ = "name a commit or a tag, or run `ftc pin`, which writes commits"
        yield Finding(key, f"{branch} may be another commit in a later run{also}", help_)


_AtRevision: TypeAlias = Git | HuggingFace | ModelScope | FromHub


def pinned(source: _AtRevision, revision: str) -> str:
    """What a pin of a source replaces: the revision and the repository."""
    return f"{revision or 'HEAD'} of {source.url if isinstance(source, Git) else source.repository}"


def pin_is_of_what_the_run_names(found: Origins) -> Iterator[Finding]:
    """A pin replaces the revision or the tag for which it was made.

    `ftc pin` writes commits and digests over what the run names. If an override or an edit then names another model,
    dataset, branch or image, the pin would combine it with the commit or the digest of the old one.
    Source: ftc pin.

    Wrong: "pins={model.source.revision: main of Qwen/Qwen3-8B}" model=qwen3-0.6b model.source.revision=v1
    Right: "pins={model.source.revision: main of Qwen/Qwen3-0.6B}" model=qwen3-0.6b model.source.revision=v1
    """
    for key, source in _pinnable(found.spec):
        replaced = found.spec.pins.get(dotted(key))
        pin = _file(found.position(("pins", dotted(key))))
        pins = {_file(place) for place, _ in found.settings(("pins", dotted(key)))}
        settings = found.settings(key)
        if replaced is None or not settings or _file(settings[-1][0]) != pin:
            continue
        below = [str(value) for place, value in settings if _file(place) not in pins][-1:]
        name = below[0] if below else replaced.partition(" of ")[0]
        named = pinned(source, name) if source else name
        if named != replaced:
            help_ = f"set {dotted(key)} too; if you have edited the run, run `ftc pin` again"
            yield Finding(key, f"is pinned for {replaced}, not for {named}", help_)


def _pinnable(spec: JobSpec) -> Iterator[tuple[KeyPath, _AtRevision | None]]:
    """The keys that `ftc pin` may set: the revisions, each with its source, and the images."""
    for name, source in spec.sources.items():
        if isinstance(source, _AtRevision):
            yield (*source_path(name), "revision"), source
    yield ("image",), None
    yield ("hardware", "image"), None


def _file(position: Position | None) -> str:
    """The file of a place; all overrides are one."""
    return position.source if position and position.line else ""


RULES = (
    Rule("FTC266", "mutable-revision", revision_is_fixed, Origins, Severity.WARNING),
    Rule("FTC267", "stale-pin", pin_is_of_what_the_run_names, Origins),
)
