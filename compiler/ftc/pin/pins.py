"""What a run names by a branch, a tag or nothing, and the commits and digests that these are now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from ftc.pin.http import UnresolvedError
from ftc.pin.registry import digest
from ftc.pin.sources import COMMIT, of_git, of_hub
from ftc.plan.registry import pulled
from ftc.rules.spec.revisions import pinned
from ftc.spec.job import is_dataset, source_path
from ftc.spec.source import FromHub, Git, HuggingFace, ModelScope

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec
    from ftc.spec.source import Source


class Wanted(NamedTuple):
    """A key, what it names, and how to resolve it; a key that is not `needed` may stay as it is."""

    key: KeyPath
    names: str
    resolve: Callable[[], str]
    needed: bool = True


class Pin(NamedTuple):
    """The value that a key should have and the name that was resolved; or an empty value and the reason."""

    key: KeyPath
    value: str
    names: str
    why: str = ""
    needed: bool = True


def pins(spec: JobSpec) -> list[Pin]:
    """Resolve everything in a run that is not fixed, all at once."""
    wanted = [
        *(one for name, source in spec.sources.items() if (one := _source(name, source))),
        *([] if "@" in spec.image else [_image(spec)]),
    ]
    with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
        return list(pool.map(_pin, wanted))


def _source(name: str, source: Source) -> Wanted | None:
    key = (*source_path(name), "revision")
    match source:
        case Git() if not COMMIT.fullmatch(source.revision):
            return Wanted(key, pinned(source, source.revision), lambda: of_git(source))
        case HuggingFace() if not COMMIT.fullmatch(source.revision):
            kind = "datasets" if is_dataset(name) else "models"
            return Wanted(key, pinned(source, source.revision), lambda: of_hub(source, kind))
        case FromHub() if not is_dataset(name) and not COMMIT.fullmatch(source.revision):
            return Wanted(key, pinned(source, source.revision), lambda: of_hub(source, "models"))
        case ModelScope():
            return Wanted(key, pinned(source, source.revision), _of_modelscope, needed=False)
        case _:
            return None


def _of_modelscope() -> str:
    raise UnresolvedError("ModelScope's clients list branches and tags, not commits: name a tag")


def _image(spec: JobSpec) -> Wanted:
    """The image; that of the hardware stays its key, because only that one comes from the cluster's own registry."""
    key: KeyPath = ("hardware", "image") if spec.image == spec.hardware.image else ("image",)
    return Wanted(key, spec.image, lambda: f"{spec.image}@{digest(pulled(spec))}", needed=False)


def _pin(wanted: Wanted) -> Pin:
    try:
        return Pin(wanted.key, wanted.resolve(), wanted.names)
    except UnresolvedError as error:
        return Pin(wanted.key, "", wanted.names, str(error), wanted.needed)
