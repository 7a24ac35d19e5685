"""A matrix of 1,000 points with all artifacts, compared with hydra.compose and Hydra's `--multirun`.

The cost per further point: the CPU time of all points minus that of the first, divided by the others.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cold_compile import CONF
from benchmarks.measuring import FTC, Row, cost, in_turn, seconds, show

if TYPE_CHECKING:
    from collections.abc import Iterator

# Three groups and two values.
MATRIX = (
    "hardware=ascend,h800,a800,h100,h20",
    "launcher=torchrun,accelerate",
    "model=qwen3-0.6b,qwen3-8b",
    "nodes=1,2,4,8,16",
    f"++train.learning_rate={','.join(f'{n}.0e-6' for n in range(1, 11))}",
    "devices=8",
)
POINTS = 1000
FIRST = (*(f"{key}={values.partition(',')[0]}" for key, _, values in (one.partition("=") for one in MATRIX)),)
# Fewer points for Hydra, which is slow.
FEW = (*FIRST[:3], *MATRIX[3:4], f"{FIRST[4]},2.0e-6,3.0e-6,4.0e-6", FIRST[5])
FEW_POINTS = 20
COMPOSE = """
import itertools, sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

with initialize_config_dir(sys.argv[1], version_base="1.3"):
    keys = [one.partition("=")[0] for one in sys.argv[2:]]
    for values in itertools.product(*(one.partition("=")[2].split(",") for one in sys.argv[2:])):
        config = compose("config", overrides=[f"{key}={value}" for key, value in zip(keys, values)])
        OmegaConf.to_container(config, resolve=True)
"""
MULTIRUN = """
import sys
import hydra

conf = sys.argv.pop(1)

@hydra.main(config_path=conf, config_name="config", version_base="1.3")
def run(config):
    pass

run()
"""
ROUNDS = 3
LIMIT_MS, LIMIT_MIB = 8, 150
LIMIT_OF_TWO = 0.6
# The time of hydra.compose on the reference machine; the limit scales with it.
USUAL_MS = 60


def ours() -> tuple[float, float]:
    """Milliseconds per further point, and peak memory."""
    with tempfile.TemporaryDirectory() as directory:
        one = cost((*FTC, "compile", *FIRST, "-o", f"{directory}/one"))
        all_ = cost((*FTC, "compile", "-m", *MATRIX, "-j", "1", "-o", f"{directory}/all"))
        written = len(list(Path(directory, "all").glob("*/volcano.yaml")))
        if written != POINTS:
            raise SystemExit(f"{written} of {POINTS} points were written")
    return (all_.seconds - one.seconds) * 1000 / (POINTS - 1), all_.peak_mib


def theirs(script: str, *options: str) -> float:
    """Milliseconds per further point of a Hydra script."""
    with tempfile.TemporaryDirectory() as directory:
        command = (sys.executable, "-c", script, str(CONF), *(option.format(directory) for option in options))
        few, one = cost((*command, *FEW)).seconds, cost((*command, *FIRST)).seconds
    return (few - one) * 1000 / (FEW_POINTS - 1)


def wall(jobs: int) -> float:
    """The wall time of all points in some processes."""
    with tempfile.TemporaryDirectory() as directory:
        return cost((*FTC, "compile", "-m", *MATRIX, "-j", str(jobs), "-o", f"{directory}/all")).wall


def rows() -> Iterator[Row]:
    """Measure."""
    (two, one), (ratio, _) = in_turn([partial(wall, 2), partial(wall, 1)], ROUNDS)
    work, least = f"matrix of {POINTS:,} points in two processes, wall time", f"≤ {LIMIT_OF_TWO} x"
    yield Row(work, seconds(two), f"one process {seconds(one)}", ratio, least, ratio <= LIMIT_OF_TWO)
    peaks: list[float] = []

    def further_point() -> float:
        milliseconds, peak = ours()
        peaks.append(peak)
        return milliseconds

    multirun = partial(theirs, MULTIRUN, "--multirun", "hydra.sweep.dir={}", "hydra.output_subdir=null")
    found, (_, _, ratio) = in_turn([multirun, partial(theirs, COMPOSE), further_point], ROUNDS)
    ratio = found[2] / found[1]
    yield Row(
        f"matrix of {POINTS:,} points, CPU a further point",
        f"{found[2]:.1f} ms",
        f"hydra.compose alone {found[1]:.0f} ms, `--multirun` {found[0]:.0f} ms",
        ratio,
        f"≤ {LIMIT_MS} ms where hydra.compose takes {USUAL_MS}",
        min(found[2], USUAL_MS * ratio) <= LIMIT_MS,
    )
    yield Row(
        "the same, peak of the memory",
        f"{max(peaks):.0f} MiB",
        "-",
        None,
        f"≤ {LIMIT_MIB} MiB",
        max(peaks) <= LIMIT_MIB,
    )


if __name__ == "__main__":
    show(rows())
