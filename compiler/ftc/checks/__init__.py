"""Every rule, by code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks import launch, pod, resources, storage, trainer
from ftc.checks.rule import Rule
from ftc.diagnostics.model import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ftc.compose import Composed
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

# What the other rules take for granted.
FIRST = (
    Rule("FTC505", pod.versions_are_supported),
    Rule("FTC506", pod.fragments_are_pods),
)
CHECKS = (
    *FIRST,
    Rule("FTC101", launch.trainer_is_complete),
    Rule("FTC102", launch.command_stands_alone),
    Rule("FTC103", launch.fsdp_needs_accelerate),
    Rule("FTC104", launch.sharding_needs_peers),
    Rule("FTC105", launch.merge_needs_adapter),
    Rule("FTC106", launch.variables_are_free),
    Rule("FTC107", launch.trainer_has_yaml, target="llamafactory"),
    Rule("FTC201", storage.nodes_share_workspace),
    Rule("FTC202", storage.claims_reach_all_nodes),
    Rule("FTC203", storage.cache_is_reachable),
    Rule("FTC204", storage.mounts_do_not_clash),
    Rule("FTC205", storage.paths_are_mounted),
    Rule("FTC206", storage.dataset_cache_is_written_once),
    Rule("FTC207", storage.restarts_resume),
    Rule("FTC208", storage.transport_is_verified, Severity.WARNING),
    Rule("FTC209", storage.result_is_kept, Severity.WARNING),
    Rule("FTC210", storage.restarts_find_checkpoints, Severity.WARNING),
    Rule("FTC301", resources.node_has_devices),
    Rule("FTC302", resources.shm_fits_in_memory),
    Rule("FTC303", resources.hami_needs_its_scheduler, Severity.WARNING, target="volcano"),
    Rule("FTC304", resources.slices_do_not_talk, Severity.WARNING),
    Rule("FTC307", resources.slices_are_other_resources),
    Rule("FTC305", resources.one_precision),
    Rule("FTC306", resources.precision_of_the_chip),
    Rule("FTC401", trainer.versions_fit),
    Rule("FTC402", trainer.versions_are_known, Severity.WARNING),
    Rule("FTC403", trainer.owned_by_ftc),
    Rule("FTC404", trainer.arguments_are_known),
    Rule("FTC405", trainer.template_is_known),
    Rule("FTC406", trainer.dataset_is_described),
    Rule("FTC407", trainer.no_references),
    Rule("FTC501", pod.pod_name_fits, target="volcano"),
    Rule("FTC502", pod.fragments_fit),
    Rule("FTC503", pod.restart_policy_stays),
    Rule("FTC508", pod.names_stay, target="volcano"),
    Rule("FTC509", pod.scheduler_knows_the_gang, Severity.WARNING, target="volcano"),
    Rule("FTC510", pod.requests_fit_limits),
    Rule("FTC511", pod.variables_stay),
    Rule("FTC512", pod.host_list_fits, target="volcano"),
    Rule("FTC504", pod.annotations_fit),
    Rule("FTC507", pod.script_runs_one_node, target="script"),
)


def check(spec: JobSpec, run: RunPlan, composed: Composed, targets: Collection[str]) -> tuple[Diagnostic, ...]:
    """What the rules find, for the targets that are emitted."""
    shapes = tuple(_found(FIRST, spec, run, composed))
    rules = [rule for rule in CHECKS if rule.target is None or rule.target in targets]
    return shapes or tuple(_found(rules, spec, run, composed))


def _found(rules: Iterable[Rule], spec: JobSpec, run: RunPlan, composed: Composed) -> Iterator[Diagnostic]:
    for rule in rules:
        for found in rule.check(spec, run):
            yield Diagnostic(
                code=rule.code,
                severity=rule.severity,
                message=found.message,
                path=found.path,
                position=composed.position(found.path),
                help=found.help,
            )
