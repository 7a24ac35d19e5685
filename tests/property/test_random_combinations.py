"""Random combinations of shipped options: lint accepts what compile emits, or a rule refuses the combination."""

from __future__ import annotations

from random import Random

import pytest

from ftc.diagnostics.model import Severity
from ftc.driver import Request, compile_job
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from property.test_pairs_of_options import CONF, NEEDS

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
COUNT, PARTS = 300, 10
# Each option works, but some do not fit each other. No other rule may refuse shipped options.
REFUSE = {
    "FTC101": "no dataset (dataset=none) for a training",
    "FTC102": "an engine with launcher=command, which passes it to no program",
    "FTC103": "FSDP without accelerate",
    "FTC201": "several nodes on storage that one node mounts",
    "FTC202": "several nodes on a claim that one node mounts",
    "FTC205": "a source in a directory of storage that is created empty",
    "FTC226": "a cache in memory that is smaller than the weights",
    "FTC308": "more shares of a device than a node has",
    "FTC312": "hardware for the Volcano scheduler in a batch Job",
    "FTC322": "network=host on hardware that needs the node's address",
    "FTC324": "hardware that LLaMA-Factory does not support",
    "FTC335": "quantization that the hardware does not support",
    "FTC337": "DeepSpeed on hardware that does not support it",
    "FTC422": "PPO with the trl of this release",
    "FTC453": "a dataset that does not fit the stage: no pairs of answers",
    "FTC454": "a dataset that does not fit the stage: no column for the tag of KTO",
    "FTC456": "images for a model without vision",
    "FTC474": "DeepSpeed stage 0 in bf16",
    "FTC545": "hardware or a network that needs privileges, on a cluster that restricts pods",
    "FTC572": "a claim with the lifetime of a batch Job of several nodes",
    "FTC633": "a cache in memory that exceeds the memory of the container",
    "FTC701": "weights that exceed the memory of the device",
}
# Only the platform knows the address, and only the user the run.
VALUES = {
    "tracking=mlflow": ("tracking.mlflow.uri=https://mlflow.example.com",),
    "source@model.source=run": ("model.source.run=sft",),
}


def options() -> dict[str, list[str]]:
    def of(group: str) -> list[str]:
        key = "source@model.source" if group == "source" else group
        return [f"{key}={file.stem}" for file in sorted((CONF / group).glob("*.yaml"))]

    groups = sorted(path.name for path in CONF.iterdir() if any(path.glob("*.yaml")))
    return {group: of(group) for group in groups if group != "build"}  # each hardware chooses its build


def combination(seed: int) -> Request:
    """Two to six options of different groups, and a number of nodes and devices."""
    random, groups = Random(seed), options()  # noqa: S311 - not for secrets
    words = [random.choice(groups[name]) for name in sorted(random.sample(sorted(groups), random.randint(2, 6)))]
    if {"launcher=command", "model=none"} & set(words):  # neither has a source
        words = [word for word in words if not word.startswith("source@")]
    counts = (f"nodes={random.choice((1, 1, 2, 4))}", f"devices={random.choice((1, 2, 4, 8))}")
    values = [value for word in words for value in (*NEEDS.get(word, ()), *VALUES.get(word, ()))]
    return Request((*words, *counts, *values), targets=(random.choice(("volcano", "job")),))


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
def test_a_random_combination_is_clean_or_refused_for_a_known_reason(part: int) -> None:
    compiled = 0
    for seed in range(part, COUNT, PARTS):
        request = combination(seed)
        state = compile_job(request)
        errors = [d for d in state.diagnostics if d.severity is Severity.ERROR]
        assert {d.code for d in errors} <= REFUSE.keys(), (request, errors)
        for target, text in state.outputs.items():
            found = lint([(f"{target}.yaml", text.encode())], NEWEST)
            assert not [d for d in found if d.severity is Severity.ERROR], request
            compiled += 1
    assert compiled >= COUNT // PARTS // 4, "most combinations of a part are refused, so it tests little"
