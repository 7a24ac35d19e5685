"""A cold `ftc compile`, compared with ten lines of plain Hydra on the same conf: CPU time of the processes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, show

if TYPE_CHECKING:
    from collections.abc import Iterator

CONF = Path(__file__).resolve().parent.parent / "conf"
OVERRIDES = ("hardware=ascend", "launcher=torchrun", "nodes=2", "devices=8")
PLAIN_HYDRA = """
import sys
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

with initialize_config_dir(sys.argv[1], version_base="1.3"):
    config = compose("config", overrides=sys.argv[2:])
print(yaml.safe_dump(OmegaConf.to_container(config, resolve=True)))
"""
ROUNDS = 15
LIMIT = 1.2


def cpu(command: tuple[str, ...]) -> float:
    """The CPU seconds of one run."""
    return cost(command).seconds


def rows() -> Iterator[Row]:
    """Measure."""
    ftc = (*FTC, "compile", *OVERRIDES)
    floor = (sys.executable, "-c", PLAIN_HYDRA, str(CONF), *OVERRIDES)
    for command in (ftc, floor):
        cpu(command)
    (ours, theirs), (ratio, _) = in_turn([partial(cpu, ftc), partial(cpu, floor)], ROUNDS)
    yield Row(
        "cold `ftc compile`",
        f"{ours * 1000:.0f} ms CPU",
        f"ten lines of hydra.compose: {theirs * 1000:.0f} ms",
        ratio,
        f"≤ {LIMIT} x",
        ratio <= LIMIT,
    )


if __name__ == "__main__":
    show(rows())
