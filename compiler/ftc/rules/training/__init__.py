"""The rules on trainings, exports, and the files that a training names."""

from __future__ import annotations

from ftc.rules.training import (
    arguments,
    data_loading,
    datasets,
    engine_files,
    engines,
    evaluation,
    ineffective_arguments,
    methods,
    optimizers,
    precision,
    ranges,
    resuming,
    sharding,
    templates,
)

OF_SPECS = (
    *arguments.RULES,
    *precision.RULES,
    *datasets.RULES,
    *evaluation.RULES,
    *methods.RULES,
    *optimizers.RULES,
    *ranges.RULES,
    *data_loading.RULES,
    *resuming.RULES,
    *sharding.RULES,
    *engines.RULES,
    *templates.RULES,
    *ineffective_arguments.RULES,
)
# A spec gives what these ask for; they judge files that users write.
OF_FILES = (*arguments.OF_FILES, *engine_files.RULES)
RULES = (*OF_SPECS, *OF_FILES)
