"""Every rule, by group and by subject, and the old codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.rules.given import Origins
from ftc.rules.job import (
    elastic,
    fragments,
    gang_scheduling,
    indexed_job,
    job_sets,
    names,
    plugins,
    policies,
    queues,
)
from ftc.rules.launch import commands, launchers, rank_variables, rendezvous, timeouts, world_size
from ftc.rules.pod import (
    contents,
    device_sharing,
    devices,
    images,
    inline_secrets,
    libraries,
    mounts,
    network,
    placement,
    refused,
    resources,
    schema,
    secrets,
    security,
    settings,
    shared_memory,
    sizes,
    variables,
    volumes,
)
from ftc.rules.pod.sizes import Sent
from ftc.rules.shell import named_files, repeated_work, scripts
from ftc.rules.spec import image, memory, mixture, prefetch, result, revisions, sources, storage
from ftc.rules.training import (
    adapters,
    arguments,
    chip,
    data_loading,
    datasets,
    engines,
    evaluation,
    ineffective_arguments,
    methods,
    optimizers,
    precision,
    release,
    resuming,
)
from ftc.rules.training.engines import AccelerateFile, DeepSpeedFile
from ftc.rules.training.subject import Arguments, Export, Training
from ftc.spec.job import JobSpec
from ftc.targets import RUNNING

if TYPE_CHECKING:
    from collections.abc import Collection

    from ftc.rules.rule import Rule


ALIASES: dict[str, tuple[str, ...]] = {
    "FTC807": ("FTC509",),
    "FTC817": ("FTC642",),
    "FTC818": ("FTC521",),
    "FTC824": ("FTC502", "FTC541"),
    "FTC850": ("FTC224",),
    "FTC855": ("FTC529",),
    "FTC858": ("FTC302", "FTC633", "FTC634"),
    "FTC860": ("FTC510", "FTC531"),
    "FTC861": ("FTC510", "FTC532"),
    "FTC862": ("FTC314",),
    "FTC863": ("FTC341",),
    "FTC864": ("FTC303", "FTC312"),
    "FTC871": ("FTC404",),
    "FTC872": ("FTC404", "FTC465"),
    "FTC873": ("FTC405",),
    "FTC874": (
        *("FTC305", "FTC420", "FTC421", "FTC422", "FTC423", "FTC425", "FTC430", "FTC437", "FTC441", "FTC443"),
        *("FTC444", "FTC458", "FTC459", "FTC460", "FTC468", "FTC901"),
    ),
    "FTC876": ("FTC207",),
    "FTC877": ("FTC306", "FTC329"),
    "FTC879": ("FTC406", "FTC450"),
    "FTC890": ("FTC601",),
    "FTC891": ("FTC602",),
    "FTC894": ("FTC603",),
    "FTC895": ("FTC342",),
    "FTC898": ("FTC315", "FTC316", "FTC317", "FTC323"),
    "FTC902": ("FTC348",),
}


GROUPS: dict[str, tuple[Rule, ...]] = {
    "training": (
        *adapters.RULES,
        *arguments.OF_FILES,
        *arguments.RULES,
        *chip.RULES,
        *data_loading.RULES,
        *datasets.RULES,
        *engines.OF_FILES,
        *engines.RULES,
        *evaluation.RULES,
        *ineffective_arguments.RULES,
        *methods.RULES,
        *optimizers.RULES,
        *precision.RULES,
        *release.RULES,
        *resuming.RULES,
    ),
    "pod": (
        *contents.RULES,
        *device_sharing.RULES,
        *devices.RULES,
        *images.RULES,
        *inline_secrets.RULES,
        *libraries.RULES,
        *mounts.RULES,
        *network.RULES,
        *placement.RULES,
        *refused.RULES,
        *resources.RULES,
        *schema.OF_FRAGMENTS,
        *schema.OF_CONTAINERS,
        *schema.RULES,
        *secrets.RULES,
        *security.RULES,
        *settings.RULES,
        *shared_memory.RULES,
        *sizes.RULES,
        *variables.RULES,
        *volumes.RULES,
    ),
    "job": (
        *elastic.RULES,
        *fragments.RULES,
        *gang_scheduling.RULES,
        *indexed_job.RULES,
        *job_sets.RULES,
        *names.RULES,
        *plugins.RULES,
        *policies.RULES,
        *queues.RULES,
    ),
    "launch": (
        *commands.RULES,
        *launchers.RULES,
        *rank_variables.RULES,
        *rendezvous.RULES,
        *timeouts.RULES,
        *world_size.RULES,
    ),
    "shell": (
        *named_files.RULES,
        *repeated_work.RULES,
        *scripts.RULES,
    ),
    "spec": (
        *image.RULES,
        *memory.RULES,
        *mixture.RULES,
        *prefetch.RULES,
        *result.RULES,
        *revisions.RULES,
        *sources.RULES,
        *storage.RULES,
    ),
}
"""The rules of each folder."""

RULES = tuple(sorted((rule for rules in GROUPS.values() for rule in rules), key=lambda rule: rule.code))
# Later rules cannot read the pod if its fragments are malformed.
STAGES = (schema.OF_FRAGMENTS, schema.OF_CONTAINERS)
FIRST = tuple(rule for rules in STAGES for rule in rules)

ON_SPECS = tuple(rule for rule in RULES if rule.subject is JobSpec)
ON_PODS = tuple(rule for rule in ON_SPECS if rule in (*GROUPS["pod"], *GROUPS["job"]) and rule is not images.REFERENCE)
"""The rules on the pod and the job of a spec; they do not apply to targets that run nothing."""
ON_ORIGINS = tuple(rule for rule in RULES if rule.subject is Origins)
ON_TRAININGS = tuple(
    rule for rule in RULES if rule.subject in (Arguments, Training, Export, DeepSpeedFile, AccelerateFile)
)
ON_OBJECTS = tuple(rule for rule in RULES if rule.subject is Sent)
"""The rules on any object, which compile emits or lint reads."""
ONLY_ON_MANIFESTS = tuple(rule for rule in RULES if rule not in (*ON_SPECS, *ON_ORIGINS, *ON_TRAININGS, *ON_OBJECTS))
ON_MANIFESTS = (*ONLY_ON_MANIFESTS, *(one for rule in ON_SPECS for one in rule.for_manifests()))

# A spec always satisfies these; they are for files that users write.
OF_FILES = (*arguments.OF_FILES, *engines.OF_FILES)
OF_SPECS = tuple(rule for rule in (*ON_SPECS, *ON_ORIGINS, *ON_TRAININGS, *ON_OBJECTS) if rule not in OF_FILES)
"""The rules that compile applies."""
OF_MANIFESTS = (*ON_MANIFESTS, *ON_TRAININGS, *ON_OBJECTS)
"""The rules that lint applies."""


def applies(rule: Rule, targets: Collection[str]) -> bool:
    """Whether a rule applies to these targets; without targets, every rule without a target applies."""
    if rule.targets:
        return any(name in targets for name in rule.targets)
    return rule not in (*ON_PODS, *ON_OBJECTS) or rule in FIRST or not targets or not RUNNING.isdisjoint(targets)


NAMES = {rule.name: rule.code for rule in RULES}


def meant(word: str) -> tuple[str, ...]:
    """The codes for a code, an old code or a name; any other word is returned unchanged."""
    return ALIASES.get(word, (NAMES.get(word, word),))
