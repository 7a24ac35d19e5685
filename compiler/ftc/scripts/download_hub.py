"""Download the repository SOURCE of a model hub at REVISION into DOWNLOAD_DIR; fetch.sh runs it under a time limit."""

# The endpoint and the token are the client's own variables: HF_ENDPOINT, HF_TOKEN; MODELSCOPE_ENDPOINT,
# MODELSCOPE_API_TOKEN. The downloaded revision is written to REVISION_FILE.

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

# Directories in which the clients keep what they need to resume a download; ftc never resumes one.
CLIENT_STATE = (".cache", "._____temp", ".msc", ".mdl", ".mv")
# Names that lead out of the directory. Some releases of the clients accept them.
OUTSIDE = ["/*", "..", "../*", "*/..", "*/../*"]
# The owner may have uploaded a downloaded copy with the metadata of the client.
STATE_OF_OTHERS = [".cache/huggingface/*"]

HASHES = 4

ERROR = "ftc: error: "


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report any exception in one line: the clients raise dozens of types, and a traceback hides the reason."""
    reason = " ".join(str(error).split()) or kind.__name__
    repository = f"{os.environ.get('SOURCE')} at {os.environ.get('REVISION') or 'its default revision'}"
    sys.stderr.write(f"{ERROR}cannot download {repository}: {kind.__name__}: {reason}\n")
    sys.stderr.flush()
    # The client's threads that wait to retry would keep the process alive until its time limit.
    os._exit(1)


def from_huggingface(source: str, repo_type: str, revision: str | None, target: Path) -> str:
    """Download from the Hugging Face hub or a mirror and return the commit."""
    hub = importlib.import_module("huggingface_hub")
    # Resolve the commit first, so that all files are of one commit even if someone pushes in the meantime.
    found = hub.HfApi().repo_info(source, repo_type=repo_type, revision=revision, files_metadata=True)
    listed = {file.rfilename: file for file in found.siblings or ()}
    for name in listed:
        if leads_out(name):
            sys.exit(f"{ERROR}the name of file {name!r} leads out of the repository {source}")
    ignored = [*OUTSIDE, *STATE_OF_OTHERS]
    hub.snapshot_download(source, repo_type=repo_type, revision=found.sha, local_dir=target, ignore_patterns=ignored)
    wanted = [name for name in listed if not any(fnmatchcase(name, pattern) for pattern in ignored)]
    # hashlib releases the GIL.
    with ThreadPoolExecutor(HASHES) as pool:
        list(pool.map(lambda name: check_file(name, listed[name], target / name), wanted))
    return str(found.sha)


def leads_out(name: str) -> bool:
    """Whether a name is not a path below the directory."""
    return any(fnmatchcase(name, pattern) for pattern in OUTSIDE)


def check_file(name: str, listed: Any, file: Path) -> None:
    """Exit if the file differs from the hub's; a mirror may not report size or hash."""
    if not file.is_file():
        sys.exit(f"{ERROR}{os.environ['SOURCE']} lists the file {name!r}, which is missing from the download")
    size = file.stat().st_size
    if listed.size not in (None, size):
        sys.exit(f"{ERROR}file {name!r} of {os.environ['SOURCE']} has {listed.size} bytes, but the download has {size}")
    if listed.lfs:
        known, digest = listed.lfs["sha256"], hashlib.sha256()
    else:
        known, digest = listed.blob_id, hashlib.sha1(b"blob %d\0" % size)  # noqa: S324 - git's blob ID
    if known and known != hash_of(file, digest):
        sys.exit(f"{ERROR}file {name!r} of {os.environ['SOURCE']} is not the one that the hub lists: its hash differs")


def hash_of(file: Path, digest: Any) -> str:
    """The digest of a file that may not fit into memory."""
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return str(digest.hexdigest())


def from_modelscope(source: str, repo_type: str, revision: str | None, target: Path) -> str:
    """Download from ModelScope and return the branch or tag, because its clients do not report the commit."""
    client = importlib.import_module("modelscope.hub.snapshot_download")
    revision = revision or "master"
    download = client.dataset_snapshot_download if repo_type == "dataset" else client.snapshot_download
    # The client compares the files with the hashes of the hub.
    known = "ignore_patterns" in signature(download).parameters
    download(source, revision=revision, local_dir=str(target), **({"ignore_patterns": OUTSIDE} if known else {}))
    return revision


DOWNLOADS = {"huggingface": from_huggingface, "modelscope": from_modelscope}


def main() -> None:
    """Download the repository that the environment names."""
    sys.excepthook = say_in_one_line
    target = Path(os.environ["DOWNLOAD_DIR"])
    revision = os.environ.get("REVISION") or None
    download = DOWNLOADS[os.environ["HUB"]]
    resolved = download(os.environ["SOURCE"], os.environ.get("REPO_TYPE", "model"), revision, target)
    for name in CLIENT_STATE:
        state = target / name
        if state.is_dir() and not state.is_symlink():
            shutil.rmtree(state)
        else:
            state.unlink(missing_ok=True)
    Path(os.environ["REVISION_FILE"]).write_text(resolved + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
