"""`ftc lint` on a thousand VolcanoJobs, compared with check-jsonschema on the same files with ftc's schema."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, seconds, show
from benchmarks.peers import YAMLLINT

from ftc.output_schemas import kubernetes_versions, volcano_job, volcano_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FILES = 1_000
ROUNDS = 3
LIMIT_SECONDS = 2.0
SAME = 1.1


def manifests() -> list[str]:
    """The VolcanoJobs of the scenarios (generated) and of the corpus (hand-written), one per file."""
    files = [*ROOT.glob("golden/scenarios/*/volcano.yaml"), *ROOT.glob("tests/corpus/good/*.yaml")]
    texts = [file.read_text() for file in sorted(files)]
    return [text for text in texts if "batch.volcano.sh" in text and "\n---" not in text]


def rows() -> Iterator[Row]:
    """Measure; both commands exit with 1 if they find something."""
    with tempfile.TemporaryDirectory() as name:
        schema = Path(name, "volcano.schema.json")
        schema.write_text(json.dumps(volcano_job(volcano_versions()[-1], kubernetes_versions()[-1]).schema))
        paths = _written(Path(name))
        ours = (*FTC, "lint", *paths)
        theirs = (sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), *paths)
        works = [partial(_cpu, command) for command in ((*YAMLLINT, *paths), ours, theirs)]
        (yamllint, mine, other), (_, ratio, _) = in_turn(works, ROUNDS)
        peaks = [cost((*FTC, "lint", *some), accepted=(0, 1)).peak_mib for some in (paths[: FILES // 4], paths)]
    yield Row(
        f"`ftc lint` of {FILES:,} manifests",
        seconds(mine),
        f"check-jsonschema {seconds(other)} (yamllint {seconds(yamllint)})",
        ratio,
        f"≤ {LIMIT_SECONDS:.0f} s",
        mine <= LIMIT_SECONDS,
    )
    growth = peaks[1] / peaks[0]
    peer = f"{FILES // 4} manifests {peaks[0]:.0f} MiB"
    yield Row("the same, peak of the memory", f"{peaks[1]:.0f} MiB", peer, growth, "the same", growth <= SAME)


def _written(directory: Path) -> list[str]:
    """Write the manifests; each copy has a new name in it, so that nothing is cached."""
    files = [directory / f"{index}.yaml" for index in range(FILES)]
    for file, text in zip(files, islice(cycle(manifests()), FILES), strict=True):
        file.write_text(re.sub(r"set -[a-z].*", rf"\g<0> # {file.stem}", f"# {file.name}\n{text}"))
    return [str(file) for file in files]


def _cpu(command: tuple[str, ...]) -> float:
    return cost(command, accepted=(0, 1)).seconds


if __name__ == "__main__":
    show(rows())
