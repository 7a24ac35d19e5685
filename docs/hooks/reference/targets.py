"""Every target."""

from __future__ import annotations

from ftc.targets import TARGETS
from reference.markdown import code, page, table

ABOUT = """
`ftc compile -t TARGET` writes one target to stdout; the default is `volcano`. `ftc compile -o DIRECTORY` writes the
spec and all targets that do not need `-t`.
"""


def pages() -> dict[str, str]:
    """The page of the targets."""
    rows = [
        (
            code(one.name),
            one.help,
            code(one.file) if one.file else "several",
            "only with `-t`" if one.on_request else "always",
        )
        for one in TARGETS.values()
    ]
    return {"targets.md": page("Targets", ABOUT, table(("target", "output", "file", "with `-o`"), rows))}
