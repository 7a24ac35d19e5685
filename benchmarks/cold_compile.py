"""A cold `ftc compile`, compared with ten lines of plain Hydra on the same conf: CPU time of the processes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, seconds, show
from benchmarks.peers import COMPILERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
ROUNDS = 7
LIMIT = 0.6


def cpu(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> float:
    """The CPU seconds of one run."""
    return cost(command, environment=environment).seconds


def rows() -> Iterator[Row]:
    """Measure."""
    ftc = (*FTC, "compile", *OVERRIDES)
    floor = (sys.executable, "-c", PLAIN_HYDRA, str(CONF), *OVERRIDES)
    commands = (*COMPILERS.values(), ftc, floor)
    for command in commands:
        cpu(command)
    (*others, ours, theirs), (*_, ratio, _) = in_turn([partial(cpu, command) for command in commands], ROUNDS)
    peers = ", ".join(f"{name} {seconds(took)}" for name, took in zip(COMPILERS, others, strict=True))
    yield Row(
        "cold `ftc compile`",
        seconds(ours),
        f"ten lines of hydra.compose {seconds(theirs)} ({peers})",
        ratio,
        f"≤ {LIMIT} x",
        ratio <= LIMIT,
    )


if __name__ == "__main__":
    show(rows())
