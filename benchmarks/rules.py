"""All rules on one spec, compared with making the plan that they check: milliseconds of CPU."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from ftc.driver import PASSES, Request, State, conf_of, origins
from ftc.plan.build import plan
from ftc.rules.catalogue import OF_SPECS
from ftc.rules.check import check

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = (
    (),
    ("hardware=ascend", "nodes=2", "devices=8"),
    ("hardware=h800", "devices=8", "engine=deepspeed-z3", "model=qwen3-8b"),
    ("launcher=command", "launcher.command=[true]"),
)
ROUNDS = 30
LIMIT_MS = 10


def milliseconds(work: Callable[[], object]) -> float:
    """The median of several rounds."""
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


def main() -> None:
    """Print a line for each spec."""
    print(f"{len(OF_SPECS)} rules, CPU a spec (reach: {LIMIT_MS} ms)")
    for overrides in SPECS:
        state = State(Request(overrides))
        for step in PASSES[:6]:
            state = step(state)
        spec, run, composed = state.spec, state.run, state.composed
        if spec is None or run is None or composed is None:
            raise SystemExit(f"{overrides} does not compile")
        floor = milliseconds(partial(plan, spec))
        seen = origins(spec, composed, conf_of(()), ("volcano",))
        rules = milliseconds(partial(check, seen, run, state.pods))
        print(f"  {rules:6.2f} ms  {rules / floor:5.1f} x its plan ({floor:.2f} ms)  ftc compile {' '.join(overrides)}")


if __name__ == "__main__":
    main()
