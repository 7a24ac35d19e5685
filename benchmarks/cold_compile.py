"""What a cold `ftc compile` costs, beside ten lines of plain Hydra on the same conf.

CPU seconds of whole processes (user and system), taken in turn so that a drift of the machine meets both; prints the
medians and their ratio.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

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
RUNS = 15


def cpu_seconds(command: list[str]) -> float:
    """The CPU time of one run of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Measure and print."""
    ftc = [sys.executable, "-m", "ftc.cli.main", "compile", *OVERRIDES]
    floor = [sys.executable, "-c", PLAIN_HYDRA, str(CONF), *OVERRIDES]
    for command in (ftc, floor):
        cpu_seconds(command)
    pairs = [(cpu_seconds(ftc), cpu_seconds(floor)) for _ in range(RUNS)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"cold ftc compile   {ours * 1000:6.0f} ms CPU")
    print(f"plain hydra.compose{theirs * 1000:6.0f} ms CPU")
    print(f"ratio              {ratio:6.2f}")


if __name__ == "__main__":
    main()
