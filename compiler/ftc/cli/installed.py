"""The source that the running ftc was installed from, as a line of requirements.txt.

Source: PEP 610, direct_url.json.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import msgspec

import ftc

_ABOVE = "# Where CI installs ftc from. The name alone is not enough: on an index it may belong to another program.\n"
# pip cannot install this, and its error shows what to do.
_NOWHERE = "file:///say-in-requirements.txt-where-ftc-comes-from"
_FORMS = f"""\
#   ftc @ git+https://git.example.com/team/ftc@<commit>
#   ftc @ https://packages.example.com/ftc-{ftc.__version__}-py3-none-any.whl#sha256=<digest>
# or, from your own index:
#   --index-url https://packages.example.com/simple
#   ftc=={ftc.__version__}
"""


_HERE = "was installed from a local file or directory"


class _Git(msgspec.Struct):
    vcs: str
    commit_id: str


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}


class _Origin(msgspec.Struct):
    url: str
    vcs_info: _Git | None = None
    archive_info: _Archive | None = None
    subdirectory: str = ""


class Requirements(NamedTuple):
    """The requirements file; `lacks` says why it names no source yet."""

    text: str
    lacks: str = ""


def requirements() -> Requirements:
    """Name the source that ftc was installed from, if others can use it; else a line that pip cannot install."""
    origin = _origin()
    if isinstance(origin, _Origin):
        return Requirements(f"{_ABOVE}ftc @ {_place(origin)}\n")
    say = f"# This one {origin}. Replace the last line by one such as\n"
    return Requirements(f"{_ABOVE}{say}{_FORMS}ftc @ {_NOWHERE}\n", origin)


def _origin() -> _Origin | str:
    """The source of the running package's distribution, or why others cannot install it from there."""
    try:
        found = distribution("ftc")
    except PackageNotFoundError:
        return _HERE
    if Path(str(found.locate_file("ftc/__init__.py"))) != Path(ftc.__file__):
        return _HERE
    direct = found.read_text("direct_url.json")
    if direct is None:
        return "was installed from an index, and pip does not record which"
    origin = msgspec.json.decode(direct, type=_Origin)
    return _HERE if origin.url.startswith("file:") else origin


def _place(origin: _Origin) -> str:
    """A URL for pip, with the commit or the digest that was installed."""
    below = f"subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    if origin.vcs_info:
        rest = f"#{below}" if below else ""
        return f"{origin.vcs_info.vcs}+{origin.url}@{origin.vcs_info.commit_id}{rest}"
    hashes = origin.archive_info.hashes if origin.archive_info else {}
    digest = f"sha256={hashes['sha256']}" if "sha256" in hashes else ""
    fragment = "&".join(part for part in (digest, below) if part)
    return f"{origin.url}#{fragment}" if fragment else origin.url
