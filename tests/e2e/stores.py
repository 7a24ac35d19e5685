"""The servers that results go to, each for a module of tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.git_server import serve_git
from e2e.hub_server import serve_hub
from e2e.publishing import Bucket, Git, Hub, Store
from e2e.s3_server import serve_s3
from e2e.trainer_environment import installed_trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORES = ("git", "bucket", "hub")


@contextmanager
def serve_store(kind: str, root: Path) -> Iterator[Store]:
    """Serve one until the end of the block; `old-hub` is a hub for the client of the older trainer."""
    if kind == "git":
        with serve_git(root / "server") as git:
            yield Git(git)
    elif kind == "bucket":
        (root / "empty").mkdir()
        with serve_s3(root) as s3:
            s3.put("results", root / "empty")
            yield Bucket(s3, "results")
    else:
        (root / "hub").mkdir()
        python = installed_trainer("0.9.3" if kind == "old-hub" else "0.9.5") / "bin/python3"
        with serve_hub(root / "hub") as address:
            yield Hub(root / "hub", int(address.rpartition(":")[2]), python)
