"""The origin of a run: annotations of the job's object, tags for trackers, and a file of the run's directory."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from ftc import __version__
from ftc.diagnostics.printable import STARS, could_be_a_secret, escaped, names_a_secret, redacted, without_secrets
from ftc.plan.names import CARRIED, job_name, spec_digest
from ftc.plan.names import digest as content_digest
from ftc.plan.types import CONFIG as USUAL
from ftc.plan.types import File, Made
from ftc.spec.job import short
from ftc.yaml_text import on_one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec

VERSION = f"{CARRIED}version"
CONFIG = f"{CARRIED}config"
OVERRIDES = f"{CARRIED}overrides"
VARIED = f"{CARRIED}varied"
DIGEST = f"{CARRIED}spec-digest"
SPEC = "spec.yaml"
KEPT = f"{CARRIED}{SPEC}"
ANNOTATIONS = {
    VERSION: "the release of ftc that compiled the job",
    CONFIG: "the primary config of the compile",
    OVERRIDES: "the overrides of the compile",
    VARIED: "the overrides that distinguish the job from the others of its matrix",
    DIGEST: "the digest of the spec: jobs with the same digest run the same",
    KEPT: "the keys of the spec that differ from their defaults; the run's directory keeps them as spec.yaml",
}
"""The annotations of the job's object, and that of the pod with the spec, each with its meaning."""
_TAGS = {"mlflow": "MLFLOW_TAGS", "wandb": "WANDB_TAGS", "swanlab": "SWANLAB_DESCRIPTION"}
_TAGGED = re.compile(r'^(\{"ftc\.job": "[a-z0-9-]+", "ftc\.spec": "|[a-z0-9-]+[, ])[0-9a-f]{8}')
# All annotations of an object together have at most 256 KiB.
_LONGEST, _LONGEST_OVERRIDE, _LONGEST_SPEC = 4096, 300, 65_536
_LONGEST_TAG = 64


def told(spec: JobSpec, made: Made) -> dict[str, str]:
    """The annotations of the job's object. The digest is that of a fixed name; no release of ftc changes it."""
    return {
        VERSION: __version__,
        **({CONFIG: _printable(made.config)} if made.config != USUAL else {}),
        **({OVERRIDES: written(made.overrides)} if made.overrides else {}),
        **({VARIED: written(made.varied)} if made.varied else {}),
        DIGEST: spec_digest(spec),
    }


def kept(spec: JobSpec) -> tuple[File, ...]:
    """The file that the run's directory keeps: the spec as a config, on one line; nothing if it is very long."""
    text = on_one_line(without_secrets(short(spec)))
    return (File(SPEC, text),) if len(text.encode()) <= _LONGEST_SPEC else ()


def tags(spec: JobSpec, origin: Made | None) -> dict[str, str]:
    """The variables by which trackers show a run's name, the digest of its spec, and what a matrix varies.

    A tag of W&B has 1 to 64 characters, and commas separate them; a longer one is cut, and ends in its digest.
    LLaMA-Factory sets the tags of SwanLab itself, but not the description, which has at most 1024 characters.
    Source: wandb, sdk/wandb_settings.py; swanlab, sdk/internal/pkg/constraints; LLaMA-Factory, train/trainer_utils.py;
    MLflow, utils/validation.py (names of tags).
    """
    if not _TAGS.keys() & {*spec.tracking.names}:
        return {}
    job, digest = job_name(spec), spec_digest(spec)
    varied = [without_secret(one) for one in origin.varied] if origin else []
    pairs = [one.partition("=")[::2] for one in varied]
    whole = [_without_secret(one) for one in origin.varied] if origin else []
    named = {re.sub(r"[^\w./-]", "_", key, flags=re.ASCII): value for key, value in pairs}
    found = {
        "mlflow": json.dumps({"ftc.job": job, "ftc.spec": digest, **named}),
        "wandb": ",".join([job, digest, *map(_tag, whole)]),
        "swanlab": " ".join([job, digest, *varied])[:1024],
    }
    return {_TAGS[name]: found[name] for name in spec.tracking.names if name in found}


def _tag(text: str) -> str:
    cut = text if len(text) <= _LONGEST_TAG else f"{text[: _LONGEST_TAG - 9]}-{content_digest(text)}"
    return cut.replace(",", ";")


def without_digest(name: str, value: str) -> str:
    """The value of a variable without the digest of the spec that `tags` writes."""
    return _TAGGED.sub(r"\1", value) if name in _TAGS.values() else value


def about_origin(path: KeyPath) -> str | None:
    """What a path of a manifest says about what the job was made from; None for every other path."""
    named = next((ANNOTATIONS[step] for step in path if isinstance(step, str) and step in ANNOTATIONS), None)
    return named or ("what the job was made from" if path == ("metadata", "annotations") else None)


def written(overrides: Sequence[str]) -> str:
    """Overrides as on the command line, on one line, without secrets; long ones are cut, and of many the last ones."""
    shown: list[str] = []
    room = _LONGEST
    for one in overrides:
        shown.append(shlex.quote(without_secret(one)))
        room -= len(shown[-1]) + 1
        if room < 0:
            shown[-1] = f"… and {len(overrides) - len(shown) + 1} more"
            break
    return " ".join(shown)


def without_secret(override: str) -> str:
    """An override on one line, cut if it is long; stars replace the whole value if any part of it is a secret."""
    shown = _without_secret(override)
    return shown if len(shown) <= _LONGEST_OVERRIDE else f"{shown[: _LONGEST_OVERRIDE - 1]}…"


def _without_secret(override: str) -> str:
    key, sign, value = override.partition("=")
    named = names_a_secret(key.rpartition(".")[2]) and could_be_a_secret(value)
    return _printable(f"{redacted(key)}{sign}{STARS}" if named or redacted(override) != override else override)


def _printable(text: str) -> str:
    return escaped(text.encode(errors="replace").decode())
