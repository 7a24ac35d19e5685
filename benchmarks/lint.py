"""`ftc lint` on a thousand VolcanoJobs, beside check-jsonschema with ftc's own schema on the same files: CPU seconds.

The two take turns, so that a drift of the machine meets both; prints the medians and their ratio.
"""

from __future__ import annotations

import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from ftc.output_schemas import kubernetes_versions, volcano_job, volcano_versions

ROOT = Path(__file__).resolve().parent.parent
FILES = 1_000
ROUNDS = 3
LIMIT = 2.0


def manifests() -> list[str]:
    """What ftc writes, and what people write: the VolcanoJobs of the scenarios and of the corpus, one a file."""
    files = [*ROOT.glob("golden/scenarios/*/volcano.yaml"), *ROOT.glob("tests/corpus/good/*.yaml")]
    texts = [file.read_text() for file in sorted(files)]
    return [text for text in texts if "batch.volcano.sh" in text and "\n---" not in text]


def cpu_seconds(command: list[str]) -> float:
    """The CPU time of one run; both commands end with 1 where they find something."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(done.stderr)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Measure and print."""
    texts = manifests()
    with tempfile.TemporaryDirectory() as name:
        schema = Path(name, "volcano.schema.json")
        schema.write_text(json.dumps(volcano_job(volcano_versions()[-1], kubernetes_versions()[-1]).schema))
        files = [Path(name, f"{index}.yaml") for index in range(FILES)]
        for file, text in zip(files, islice(cycle(texts), FILES), strict=True):
            # A script of its own, so that nothing is read once for all.
            file.write_text(re.sub(r"set -[a-z].*", rf"\g<0> # {file.stem}", f"# {file.name}\n{text}"))
        paths = [str(file) for file in files]
        ours = [sys.executable, "-m", "ftc.cli.main", "lint", *paths]
        theirs = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), *paths]
        pairs = [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(ROUNDS)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{FILES} VolcanoJobs, {len(texts)} different ones")
    print(f"ftc lint           {mine:6.1f} s CPU")
    print(f"check-jsonschema   {other:6.1f} s CPU")
    print(f"ratio              {statistics.median(a / b for a, b in pairs):6.2f} (reach: {LIMIT})")


if __name__ == "__main__":
    main()
