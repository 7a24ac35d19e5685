"""Rules on the trackers that a run reports to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.given import containers, environments
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def cloud_has_a_key(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A tracker in the cloud has the key of an account.

    Its client would ask for one at a terminal, and a pod has none: `api_key not configured (no-tty)` (wandb), after
    the model is loaded.

    Wrong: tracking=wandb
    Right: tracking=wandb tracking.wandb.token.secret=wandb
    """
    wandb, swanlab = spec.tracking.wandb, spec.tracking.swanlab
    given = set(_variables(spec))
    if wandb and wandb.mode == "online" and wandb.token is None and "WANDB_API_KEY" not in given:
        help_ = "set tracking.wandb.token.secret=…, or tracking.wandb.mode=offline"
        yield Finding(("tracking", "wandb"), "has no key of an account", help_)
    if swanlab and swanlab.mode == "cloud" and swanlab.token is None and "SWANLAB_API_KEY" not in given:
        help_ = "set tracking.swanlab.token.secret=…, or tracking.swanlab.mode=local"
        yield Finding(("tracking", "swanlab"), "has no key of an account", help_)


def _variables(spec: JobSpec) -> Iterator[str]:
    """The names that users give themselves, with a value or a reference."""
    for _, given in environments(spec):
        yield from given
    for _, container in containers(spec):
        yield from (variable["name"] for variable in container.get("env", []))


RULES = (Rule("FTC471", "tracker-needs-api-key", cloud_has_a_key, JobSpec, Severity.WARNING),)
