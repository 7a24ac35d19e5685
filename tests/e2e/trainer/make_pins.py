"""Resolve the pins of conf/pins again: `make pins`. Read the diff, then run the tests that train.

A directory of conf/pins is a pair of llamafactory and transformers. trainer.txt has all packages of the pair, each
other file those that an extra adds; the line `# from:` has the requirements. PyTorch is omitted, because it depends on
the hardware. The pins are for Python 3.11 and are valid for later versions too (tests/e2e/test_image.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PINS = Path(__file__).parents[3] / "conf" / "pins"
TRAINER = "trainer.txt"
OF_THE_HARDWARE = re.compile(r"(torch|torchvision|torchaudio|triton|nvidia-.*|cuda-.*)==.*")
RESOLVE = (
    sys.executable,
    "-m",
    "uv",
    "pip",
    "compile",
    "--quiet",
    "--python-version",
    "3.11",
    "--no-header",
    "--no-annotate",
)


def main() -> None:
    """Rewrite every file; all extras of a pair are resolved together, so that they are compatible."""
    for pair in sorted(PINS.iterdir()):
        asked = {file: requirements(file) for file in sorted(pair.glob("*.txt"))}
        together = resolved([line for lines in asked.values() for line in lines], [])
        trainer = resolved(asked[pair / TRAINER], together)
        for file, lines in asked.items():
            added = set(resolved([*asked[pair / TRAINER], *lines], together)) - set(trainer)
            pins = trainer if file.name == TRAINER else sorted(added)
            file.write_text("".join(f"{line}\n" for line in [*comments(file), *pins]), encoding="utf-8")


def comments(file: Path) -> list[str]:
    """The header with the origin of the pins."""
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]


def requirements(file: Path) -> list[str]:
    """The requirements."""
    return comments(file)[0].removeprefix("# from: ").split()


def resolved(asked: list[str], within: list[str]) -> list[str]:
    """The pins of all required packages except the hardware's; packages in `within` already have a version."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(within))
        constraints.flush()
        command = [*RESOLVE, "--constraints", constraints.name, "-"]
        done = subprocess.run(command, input="\n".join(asked), stdout=subprocess.PIPE, text=True, check=True)
    return [pin for pin in done.stdout.split() if not OF_THE_HARDWARE.fullmatch(pin)]


if __name__ == "__main__":
    main()
