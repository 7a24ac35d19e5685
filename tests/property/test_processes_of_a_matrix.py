"""A matrix gives the same files, index, reports and exit code in one process and in four."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from property.test_random_combinations import options
from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path


def sweep(seed: int) -> tuple[str, ...]:
    """Several options of some groups, which may not fit each other, and several values of some keys."""
    random, groups = Random(seed), options()  # noqa: S311 - not for secrets
    words = []
    for name in random.sample(["hardware", "launcher", "engine", "storage", "method", "cluster"], 2):
        chosen = random.sample(groups[name], min(3, len(groups[name])))
        words.append(f"{name}={','.join(one.partition('=')[2] for one in chosen)}")
    return (*words, "nodes=1,2,4", "train.save_steps=1,2,3,4", f"devices={random.choice((1, 8))}")


@pytest.mark.parametrize("seed", range(4))
def test_four_processes_write_and_say_what_one_does(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, written = [], []
    for jobs in ("1", "4"):
        (tmp_path / jobs).mkdir()
        monkeypatch.chdir(tmp_path / jobs)
        said.append(ftc("compile", "-m", *sweep(seed), "-j", jobs, "-o", "out"))
        files = [file for file in (tmp_path / jobs).rglob("*") if file.is_file()]
        written.append({str(file.relative_to(tmp_path / jobs)): file.read_bytes() for file in files})
    assert said[0] == said[1]
    assert written[0] == written[1]
    assert len(written[0]) > 100 or "refused" in said[0].stderr
