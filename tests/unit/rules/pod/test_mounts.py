"""Rules on mounts: they name volumes of the pod and do not hide files of the image."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC323",
        (
            "hardware=ascend",
            "storage.workspace.mount_path=/usr/local/Ascend",
            "storage.cache.path=/usr/local/Ascend/cache",
        ),
        (
            "hardware=ascend",
            "storage.workspace.mount_path=/usr/local/Ascend2",
            "storage.cache.path=/usr/local/Ascend2/cache",
        ),
        "hardware.environment_scripts",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
