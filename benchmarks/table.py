"""The table of docs/en/support.md: each work compared with its floor or peer; medians and ratios of one run."""

from __future__ import annotations

from itertools import chain

from benchmarks import cold_compile, explain, golden, lint, matrix, nodes
from benchmarks.measuring import show

if __name__ == "__main__":
    show(chain.from_iterable(one.rows() for one in (cold_compile, explain, matrix, lint, golden, nodes)))
