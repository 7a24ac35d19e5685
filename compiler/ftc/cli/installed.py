"""Where the ftc that runs was installed from, as a file of requirements says it.

Source: PEP 610, direct_url.json.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import msgspec

import ftc

_ABOVE = "# Where CI gets ftc. A name alone is not enough: on an index it may be another program's.\n"
# No pip installs this, and the error shows what to do.
_NOWHERE = "file:///say-in-requirements.txt-where-ftc-comes-from"
_FORMS = f"""\
#   ftc @ git+https://git.example.com/team/ftc@<commit>
#   ftc @ https://packages.example.com/ftc-{ftc.__version__}-py3-none-any.whl#sha256=<digest>
# or, from an index that is yours:
#   --index-url https://packages.example.com/simple
#   ftc=={ftc.__version__}
"""


_HERE = "came from a file or directory of one machine"


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
    """The file; `lacks` says why it names no place yet."""

    text: str
    lacks: str = ""


def requirements() -> Requirements:
    """The place that ftc was installed from, if others can install from there; else a line that no pip installs."""
    origin = _origin()
    if isinstance(origin, _Origin):
        return Requirements(f"{_ABOVE}ftc @ {_place(origin)}\n")
    say = f"# Here it {origin}. Put in the place of the last line one such as\n"
    return Requirements(f"{_ABOVE}{say}{_FORMS}ftc @ {_NOWHERE}\n", origin)


def _origin() -> _Origin | str:
    """Where the distribution of the running package comes from, or why others cannot install it from there."""
    try:
        found = distribution("ftc")
    except PackageNotFoundError:
        return _HERE
    if Path(str(found.locate_file("ftc/__init__.py"))) != Path(ftc.__file__):
        return _HERE
    direct = found.read_text("direct_url.json")
    if direct is None:
        return "came from an index, and which one is not recorded"
    origin = msgspec.json.decode(direct, type=_Origin)
    return _HERE if origin.url.startswith("file:") else origin


def _place(origin: _Origin) -> str:
    """A URL that pip installs from, with the commit or the digest that was installed."""
    below = f"subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    if origin.vcs_info:
        rest = f"#{below}" if below else ""
        return f"{origin.vcs_info.vcs}+{origin.url}@{origin.vcs_info.commit_id}{rest}"
    hashes = origin.archive_info.hashes if origin.archive_info else {}
    digest = f"sha256={hashes['sha256']}" if "sha256" in hashes else ""
    fragment = "&".join(part for part in (digest, below) if part)
    return f"{origin.url}#{fragment}" if fragment else origin.url
