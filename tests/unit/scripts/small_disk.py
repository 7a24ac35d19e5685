"""A small file system that a test fills up and frees again."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAGE = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system; its ballast is outside the directory that a pod sees."""

    place: Path

    def leave(self, pages: int) -> None:
        """Fill it up to this many free pages; every file takes at least one."""
        free = os.statvfs(self.place).f_bavail - pages
        with (self.place / ".ballast").open("ab") as ballast:
            ballast.write(bytes(free * _PAGE))

    def leave_files(self, number: int) -> None:
        """Fill it up to this many files and directories."""
        for name in range(os.statvfs(self.place).f_favail - number):
            (self.place / f".ballast{name}").touch()

    def free(self) -> None:
        """Remove the ballast."""
        for file in self.place.glob(".ballast*"):
            file.unlink()


@contextmanager
def small_disk(place: Path, pages: int = 256, files: int = 400) -> Iterator[SmallDisk]:
    """Mount one until the end of the block, which needs root and may not be possible."""
    place.mkdir(parents=True)
    options = f"size={pages * _PAGE},nr_inodes={files}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
