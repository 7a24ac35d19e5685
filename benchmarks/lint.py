"""`ftc lint` on a thousand VolcanoJobs, compared with check-jsonschema on the same files with ftc's schema."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, show

from ftc.output_schemas import kubernetes_versions, volcano_job, volcano_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FILES = 1_000
ROUNDS = 3
LIMIT = 2.0


def manifests() -> list[str]:
    """The VolcanoJobs of the scenarios (generated) and of the corpus (hand-written), one per file."""
    files = [*ROOT.glob("golden/scenarios/*/volcano.yaml"), *ROOT.glob("tests/corpus/good/*.yaml")]
    texts = [file.read_text() for file in sorted(files)]
    return [text for text in texts if "batch.volcano.sh" in text and "\n---" not in text]


def rows() -> Iterator[Row]:
    """Measure; both commands exit with 1 if they find something."""
    texts = manifests()
    with tempfile.TemporaryDirectory() as name:
        schema = Path(name, "volcano.schema.json")
        schema.write_text(json.dumps(volcano_job(volcano_versions()[-1], kubernetes_versions()[-1]).schema))
        files = [Path(name, f"{index}.yaml") for index in range(FILES)]
        for file, text in zip(files, islice(cycle(texts), FILES), strict=True):
            # A new name in each copy, so that nothing is cached.
            file.write_text(re.sub(r"set -[a-z].*", rf"\g<0> # {file.stem}", f"# {file.name}\n{text}"))
        paths = [str(file) for file in files]
        ours = (*FTC, "lint", *paths)
        theirs = (sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), *paths)
        (mine, other), (ratio, _) = in_turn([lambda: _cpu(ours), lambda: _cpu(theirs)], ROUNDS)
    yield Row(
        f"`ftc lint` of {FILES:,} manifests",
        f"{mine:.1f} s CPU",
        f"check-jsonschema {other:.1f} s",
        ratio,
        f"≤ {LIMIT:.0f} x",
        ratio <= LIMIT,
    )


def _cpu(command: tuple[str, ...]) -> float:
    return cost(command, accepted=(0, 1)).seconds


if __name__ == "__main__":
    show(rows())
