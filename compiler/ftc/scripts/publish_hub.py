"""publish_hub.py ROOT PATH: commit the files of PATH below ROOT to PUBLISH_BRANCH of PUBLISH_REPOSITORY."""

# A missing repository is created. Files that the hub already has are not sent again, so a retry continues where it
# stopped, and an empty commit is skipped. The token is PUBLISH_TOKEN, which no other client reads.

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parent))
result_files = importlib.import_module("result_files")  # next to this file, not in a package


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report any exception in one line, without the signatures in upload URLs."""
    reason = re.sub(r"\?\S+", "?…", " ".join(str(error).split())) or kind.__name__
    repository = os.environ.get("PUBLISH_REPOSITORY")
    sys.stderr.write(f"ftc: error: cannot commit to {repository}: {kind.__name__}: {reason}\n")
    sys.stderr.flush()
    # The client's threads that wait to retry would keep the process alive until its time limit.
    os._exit(1)


def missing(found: Any, additions: list[Any]) -> list[str]:
    """The files that a branch lacks or has with other content; a compatible server may not report sizes and digests."""
    files = {file.rfilename: file for file in found.siblings or ()}

    def is_there(addition: Any) -> bool:
        file, sent = files.get(addition.path_in_repo), addition.upload_info
        if file is None or file.size not in (None, sent.size):
            return False
        return not file.lfs or file.lfs.sha256 == sent.sha256.hex()

    return [addition.path_in_repo for addition in additions if not is_there(addition)]


def main() -> None:
    """Commit the files that the arguments name."""
    sys.excepthook = say_in_one_line
    files: dict[str, str] = result_files.with_card(*sys.argv[1:])
    result_files.refuse_odd_bytes(files)
    # Version 1 of the client sends large files only over Xet, which compatible servers lack (_commit_api.py).
    if "PUBLISH_ENDPOINT" in os.environ:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
        # Version 0 of the client fails if the URL of the commit does not begin with HF_ENDPOINT.
        os.environ["HF_ENDPOINT"] = os.environ["PUBLISH_ENDPOINT"]
    hub = importlib.import_module("huggingface_hub")
    # A Secret created with echo ends with a newline.
    token = os.environ["PUBLISH_TOKEN"].strip()
    api = hub.HfApi(endpoint=os.environ.get("PUBLISH_ENDPOINT"), token=token)
    repository, branch = os.environ["PUBLISH_REPOSITORY"], os.environ["PUBLISH_BRANCH"]
    private = os.environ["PUBLISH_PRIVATE"] == "true"
    api.create_repo(repository, private=private, exist_ok=True)
    if private and not api.model_info(repository).private:
        help_ = "make it private, or compile with publish.private=false"
        result_files.fail(f"{repository} is a public repository, but publish.private is true: {help_}")
    if branch != "main":
        api.create_branch(repository, branch=branch, exist_ok=True)
    additions = [hub.CommitOperationAdd(name, place) for name, place in files.items()]
    api.create_commit(repository, additions, revision=branch, commit_message=os.environ["PUBLISH_MESSAGE"])
    if lost := missing(api.model_info(repository, revision=branch, files_metadata=True), additions):
        help_ = "does its .gitignore name it?"
        result_files.fail(f"branch {branch} of {repository} does not have {lost[0]!r} after the commit: {help_}")
    sys.stdout.write(f"ftc: committed {sys.argv[2]} to branch {branch} of {repository}\n")


if __name__ == "__main__":
    main()
