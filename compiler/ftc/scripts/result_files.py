"""Open the files of a result for publishing, without following links that the trainer may have left."""

# Other nodes may still replace a file after the check, so it is only read through its descriptor, as /proc/PID/fd/N.

from __future__ import annotations

import os
import resource
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
README = "README.md"
_LONGEST_README = 1 << 20
_PAGE = b"""# A fine-tuned model

LLaMA-Factory trained this model in a run of ftc. The lines above name the base model, the datasets and the run.
"""


def fail(message: str) -> NoReturn:
    """Exit with a message of one line."""
    sys.exit(f"ftc: error: {message}")


def opened(root: str, path: str) -> dict[str, str]:
    """The files of a directory below `root`, without checkpoints: name to path of the content.

    Names are decoded by Python: `os.fsencode` returns their bytes.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.split("/"):
        place = _open_directory(place, part, path)
    return {name: f"/proc/{os.getpid()}/fd/{number}" for name, number in _walk(place, "")}


def with_card(files: dict[str, str]) -> dict[str, str]:
    """The files, with the front matter PUBLISH_CARD in README.md unless that has one; it names the run, RESULT_ID."""
    card = os.environ.get("PUBLISH_CARD")
    if card is None or (README in files and size(files[README]) > _LONGEST_README):
        return files
    page = Path(files[README]).read_bytes() if README in files else _PAGE
    if page.removeprefix(b"\xef\xbb\xbf").startswith((b"---\n", b"---\r\n")):
        return files
    front = f'---\n{card}ftc_run: "{os.environ["RESULT_ID"]}"\n---\n\n'.encode()
    return {**files, README: _in_memory(front + page)}


def _in_memory(content: bytes) -> str:
    """The path of a new file that is not on a disk."""
    number = os.memfd_create(README, os.MFD_CLOEXEC)
    with open(os.dup(number), "wb") as file:  # noqa: PTH123 - PTH is for paths, and this is a descriptor
        file.write(content)
    return f"/proc/{os.getpid()}/fd/{number}"


def size(place: str) -> int:
    """The size of an opened file."""
    return os.stat(place).st_size  # noqa: PTH116 - PTH is for paths, and this is a descriptor


def refuse_odd_bytes(names: dict[str, str]) -> None:
    """Exit if a name is not UTF-8, which the name of an object must be."""
    for name in names:
        if name.encode(errors="replace").decode() != name:
            fail(f"the name of {name!r} is not UTF-8: rename the file in the result, and let the job restart")


def _walk(directory: int, prefix: str) -> Iterator[tuple[str, int]]:
    for name in sorted(os.listdir(directory)):
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            yield prefix + name, _open_file(directory, name, prefix)
        elif not name.startswith("checkpoint-") and name != ".git":
            inner = _open_directory(directory, name, prefix + name)
            yield from _walk(inner, f"{prefix}{name}/")
            os.close(inner)


def _open_directory(parent: int, name: str, path: str) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        fail(f"{path!r} of the result is not a directory that can be read ({error.strerror}): a link is not followed")


def _open_file(parent: int, name: str, prefix: str) -> int:
    refused = f"{prefix + name!r} of the result is a link or not a file: nothing is published"
    try:
        number = os.open(name, _FILE, dir_fd=parent)
    except OSError as error:
        fail(f"{refused} ({error.strerror})")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        fail(refused)
    return number
