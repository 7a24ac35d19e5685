"""Download the repository SOURCE of a model hub at REVISION into DOWNLOAD_DIR; fetch.sh runs it under a time limit."""

# The endpoint and the token are the client's own variables: HF_ENDPOINT, HF_TOKEN; MODELSCOPE_ENDPOINT,
# MODELSCOPE_API_TOKEN. The name of what was downloaded goes to REVISION_FILE.

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# What the clients keep beside the files to resume a download; an unfinished one is never resumed here.
CLIENT_STATE = (".cache", "._____temp", ".msc", ".mdl", ".mv")


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report what ended the program in one line: the clients raise dozens of kinds, and a trace hides the reason."""
    reason = " ".join(str(error).split()) or kind.__name__
    repository = f"{os.environ.get('SOURCE')} at {os.environ.get('REVISION') or 'its default revision'}"
    sys.stderr.write(f"ftc: error: cannot download {repository}: {kind.__name__}: {reason}\n")


def from_huggingface(source: str, repo_type: str, revision: str | None, target: Path) -> str:
    """Download from the Hugging Face hub or a mirror of it and return the commit."""
    hub = importlib.import_module("huggingface_hub")
    # The commit is asked for first, so that all files are of one commit while somebody pushes.
    commit = str(hub.HfApi().repo_info(source, repo_type=repo_type, revision=revision).sha)
    hub.snapshot_download(source, repo_type=repo_type, revision=commit, local_dir=target)
    return commit


def from_modelscope(source: str, repo_type: str, revision: str | None, target: Path) -> str:
    """Download from ModelScope and return the branch or tag: its clients name no commit."""
    client = importlib.import_module("modelscope.hub.snapshot_download")
    revision = revision or "master"
    download = client.dataset_snapshot_download if repo_type == "dataset" else client.snapshot_download
    download(source, revision=revision, local_dir=str(target))
    return revision


DOWNLOADS = {"huggingface": from_huggingface, "modelscope": from_modelscope}


def main() -> None:
    """Download what the environment names."""
    sys.excepthook = say_in_one_line
    target = Path(os.environ["DOWNLOAD_DIR"])
    revision = os.environ.get("REVISION") or None
    download = DOWNLOADS[os.environ["HUB"]]
    resolved = download(os.environ["SOURCE"], os.environ.get("REPO_TYPE", "model"), revision, target)
    for name in CLIENT_STATE:
        state = target / name
        if state.is_dir():
            shutil.rmtree(state)
        elif state.exists():
            state.unlink()
    Path(os.environ["REVISION_FILE"]).write_text(resolved + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
