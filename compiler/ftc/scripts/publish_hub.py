"""publish.py DIR: commit the files of DIR to PUBLISH_BRANCH of PUBLISH_REPOSITORY, which is made if there is none."""

# Files that the hub has already are not sent again, so a retry goes on where it stopped. The token is PUBLISH_TOKEN,
# which no other client reads.

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

CHECKPOINTS = ["checkpoint-*/**", "**/checkpoint-*/**"]


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report what ended the program in one line, without the signatures that stand in addresses of uploads."""
    reason = re.sub(r"\?\S+", "?…", " ".join(str(error).split())) or kind.__name__
    repository = os.environ.get("PUBLISH_REPOSITORY")
    sys.stderr.write(f"ftc: error: cannot commit to {repository}: {kind.__name__}: {reason}\n")


def main() -> None:
    """Commit what the environment and the argument name."""
    sys.excepthook = say_in_one_line
    # Version 1 of the client sends large files by Xet alone, which servers like the hub do not speak (_commit_api.py).
    if "PUBLISH_ENDPOINT" in os.environ:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    hub = importlib.import_module("huggingface_hub")
    # A Secret made with echo ends in a newline.
    token = os.environ["PUBLISH_TOKEN"].strip()
    api = hub.HfApi(endpoint=os.environ.get("PUBLISH_ENDPOINT"), token=token)
    repository, branch = os.environ["PUBLISH_REPOSITORY"], os.environ["PUBLISH_BRANCH"]
    api.create_repo(repository, private=os.environ["PUBLISH_PRIVATE"] == "true", exist_ok=True)
    if branch != "main":
        api.create_branch(repository, branch=branch, exist_ok=True)
    api.upload_folder(
        repo_id=repository,
        folder_path=sys.argv[1],
        revision=branch,
        commit_message=os.environ["PUBLISH_MESSAGE"],
        ignore_patterns=CHECKPOINTS,
    )
    sys.stdout.write(f"ftc: committed {sys.argv[1]} to branch {branch} of {repository}\n")


if __name__ == "__main__":
    main()
