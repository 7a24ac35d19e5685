"""Rules on experiment trackers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.given import variable_names
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def tracker_needs_api_key(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A tracker in the cloud has an API key.

    Without a key its client asks for one on a terminal, which a pod does not have: `api_key not configured (no-tty)`,
    after the model is loaded.
    Source: wandb, sdk/wandb_login.py.

    Wrong: tracking=wandb
    Right: tracking=wandb tracking.wandb.token.secret=wandb
    """
    wandb, swanlab = spec.tracking.wandb, spec.tracking.swanlab
    given = variable_names(spec)
    if wandb and wandb.mode == "online" and wandb.token is None and "WANDB_API_KEY" not in given:
        help_ = "set tracking.wandb.token.secret=…, or tracking.wandb.mode=offline"
        yield Finding(("tracking", "wandb"), "needs an API key", help_)
    if swanlab and swanlab.mode == "cloud" and swanlab.token is None and "SWANLAB_API_KEY" not in given:
        help_ = "set tracking.swanlab.token.secret=…, or tracking.swanlab.mode=local"
        yield Finding(("tracking", "swanlab"), "needs an API key", help_)


RULES = (Rule("FTC471", "tracker-needs-api-key", tracker_needs_api_key, JobSpec, Severity.WARNING),)
