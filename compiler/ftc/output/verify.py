"""Emitted manifests against the schemas of what they are for; a finding here is a bug in ftc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from ftc.diagnostics.model import dotted
from ftc.output_schemas import volcano_job

if TYPE_CHECKING:
    from ftc.spec.cluster import Cluster


class BugError(Exception):
    """ftc made something that it should not have made."""


def volcano(text: str, cluster: Cluster) -> None:
    """Raise BugError where the text is no Volcano Job for the cluster's versions."""
    manifest = yaml.load(text, Loader=yaml.CSafeLoader)
    errors = volcano_job(cluster.volcano, cluster.kubernetes).iter_errors(manifest)
    found = [f"{dotted(tuple(error.absolute_path))}: {error.message[:200]}" for error in errors]
    if found:
        raise BugError("the VolcanoJob does not fit its schema: " + "; ".join(found))
