"""Rewrite the outputs that pages show: `make docs-output`, or `python -m docs FILE…`. Read the diff."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.compare import rewritten
from docs.pages import pages


def main(names: list[str]) -> None:
    """Rewrite the pages that are named, or all that need no trainer."""
    for file in [Path(name) for name in names] or pages():
        text = rewritten(file)
        if text != file.read_text(encoding="utf-8"):
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
