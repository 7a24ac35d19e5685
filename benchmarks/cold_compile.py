"""The start of the command: a compile, `ftc list` and completion; CPU time of the processes.

They are compared with ten lines of plain Hydra on the same conf, which compose the run of the compile.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, seconds, show
from benchmarks.peers import COMPILERS

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
# The ten lines take as long on the reference machine; the limits in seconds scale with it.
USUAL_SECONDS = 0.239
AT_ONCE = 0.06 / USUAL_SECONDS
COMPILE = ("compile", *OVERRIDES)
IN_SHELL = {"_FTC_COMPLETE": "zsh"}
# The words and the variables of a command, and the limit of its time in that of the ten lines.
WORKS = {
    "cold `ftc compile`": (COMPILE, {}, 0.6),
    "`ftc list`": (("list",), {}, AT_ONCE),
    "completion of an option": (("compile", "hardware=as"), IN_SHELL, AT_ONCE),
    "completion of a key": (("compile", "train.le"), IN_SHELL, AT_ONCE),
}
ROUNDS = 15


def cpu(command: tuple[str, ...], environment: dict[str, str] | None = None) -> float:
    """The CPU seconds of one run."""
    return cost(command, environment=environment).seconds


def rows() -> Iterator[Row]:
    """Measure."""
    works = [partial(cpu, (*FTC, *words), variables) for words, variables, _ in WORKS.values()]
    works += [partial(cpu, command) for command in COMPILERS.values()]
    works.append(partial(cpu, (sys.executable, "-c", PLAIN_HYDRA, str(CONF), *OVERRIDES)))
    for work in works:
        work()
    (*found, theirs), ratios = in_turn(works, ROUNDS)
    others = ", ".join(f"{name} {seconds(took)}" for name, took in zip(COMPILERS, found[len(WORKS) :], strict=True))
    for (name, (words, _, limit)), ours, ratio in zip(WORKS.items(), found, ratios, strict=False):
        peers = f" ({others})" if words == COMPILE else ""
        usual = f": {limit * USUAL_SECONDS:.2f} s where they take {USUAL_SECONDS}" if limit == AT_ONCE else ""
        peer = f"ten lines of hydra.compose {seconds(theirs)}{peers}"
        yield Row(name, seconds(ours), peer, ratio, f"≤ {limit:.2f} x{usual}", ratio <= limit)


if __name__ == "__main__":
    show(rows())
