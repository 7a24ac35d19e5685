"""Notations of Kubernetes: quantities, text that it must not expand, and the fields that job objects share."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


# The labels and annotations by which queue systems find the queue of a job or of its pods, and a PodGroup its pods.
KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
VOLCANO_QUEUE = "scheduling.volcano.sh/queue-name"
MIN_MEMBER = "scheduling.volcano.sh/group-min-member"
GROUP_NAME = "scheduling.k8s.io/group-name"
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def quantity(value: str | float) -> Decimal:
    """`500m` is 0.5, `1Gi` is 1073741824; the text must be a valid quantity."""
    match = re.fullmatch(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)", str(value))
    if match is None:
        return Decimal("NaN")
    number, suffix = Decimal(match[1]), match[2]
    return number * 1024 ** _BINARY[suffix] if suffix in _BINARY else number.scaleb(_DECIMAL[suffix])


def literal(text: str) -> str:
    """`text` escaped for an argument or a variable's value, in which Kubernetes expands `$(NAME)` and `$$`.

    Source: Kubernetes, third_party/forked/golang/expansion/expand.go.
    """
    return text.replace("$", "$$") if "$$" in text or "$(" in text else text


def metadata(run: RunPlan, name: str | None) -> Json:
    """The metadata, with `name` or, without one, a name that the API server generates."""
    return {
        **({"name": name} if name else {"generateName": f"{run.name}-"}),
        **({"namespace": run.namespace} if run.namespace else {}),
        "labels": run.labels,
        **({"annotations": run.annotations} if run.annotations else {}),
    }


def lifetime(run: RunPlan) -> Json:
    """How long a finished job is kept; Kubernetes and Volcano use the same field."""
    seconds = run.ttl_seconds_after_finished
    return {} if seconds is None else {"ttlSecondsAfterFinished": seconds}
