"""Every rule, by group and by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.rules.aliases import ALIASES
from ftc.rules.job import elastic, gang_scheduling, indexed_job, names, plugins, policies, queues
from ftc.rules.launch import launchers, rank_variables, rendezvous, timeouts, world_size
from ftc.rules.origins import Origins
from ftc.rules.pod import (
    contents,
    device_sharing,
    devices,
    images,
    libraries,
    mounts,
    network,
    placement,
    resources,
    schema,
    secrets,
    security,
    variables,
    volumes,
)
from ftc.rules.shell import named_files, repeated_work, scripts
from ftc.rules.spec import image, memory, model, sources, storage, trackers
from ftc.rules.training import (
    arguments,
    chip,
    data_loading,
    datasets,
    engines,
    evaluation,
    exports,
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

if TYPE_CHECKING:
    from ftc.rules.rule import Rule

GROUPS: dict[str, tuple[Rule, ...]] = {
    "training": (
        *arguments.OF_FILES,
        *arguments.RULES,
        *chip.RULES,
        *data_loading.RULES,
        *datasets.RULES,
        *engines.OF_FILES,
        *engines.RULES,
        *evaluation.RULES,
        *exports.RULES,
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
        *libraries.RULES,
        *mounts.RULES,
        *network.RULES,
        *placement.RULES,
        *resources.RULES,
        *schema.OF_FRAGMENTS,
        *schema.OF_CONTAINERS,
        *schema.RULES,
        *secrets.RULES,
        *security.RULES,
        *variables.RULES,
        *volumes.RULES,
    ),
    "job": (
        *elastic.RULES,
        *gang_scheduling.RULES,
        *indexed_job.RULES,
        *names.RULES,
        *plugins.RULES,
        *policies.RULES,
        *queues.RULES,
    ),
    "launch": (
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
        *model.RULES,
        *sources.RULES,
        *storage.RULES,
        *trackers.RULES,
    ),
}
"""The rules of each folder."""

RULES = tuple(sorted((rule for rules in GROUPS.values() for rule in rules), key=lambda rule: rule.code))
# Later rules cannot read the pod if its fragments are malformed.
STAGES = (schema.OF_FRAGMENTS, schema.OF_CONTAINERS)
FIRST = tuple(rule for rules in STAGES for rule in rules)

ON_SPECS = tuple(rule for rule in RULES if rule.subject is JobSpec)
ON_ORIGINS = tuple(rule for rule in RULES if rule.subject is Origins)
ON_TRAININGS = tuple(
    rule for rule in RULES if rule.subject in (Arguments, Training, Export, DeepSpeedFile, AccelerateFile)
)
ON_MANIFESTS = tuple(rule for rule in RULES if rule not in (*ON_SPECS, *ON_ORIGINS, *ON_TRAININGS))

# A spec always satisfies these; they are for files that users write.
OF_FILES = (*arguments.OF_FILES, *engines.OF_FILES)
OF_SPECS = tuple(rule for rule in (*ON_SPECS, *ON_ORIGINS, *ON_TRAININGS) if rule not in OF_FILES)
"""The rules that compile applies."""
OF_MANIFESTS = (*ON_MANIFESTS, *ON_TRAININGS)
"""The rules that lint applies."""

NAMES = {rule.name: rule.code for rule in RULES}


def meant(word: str) -> tuple[str, ...]:
    """The codes for a code, an old code or a name; any other word is returned unchanged."""
    return ALIASES.get(word, (NAMES.get(word, word),))
