"""publish_git.py ROOT PATH BRANCH: commit the files of PATH below ROOT to BRANCH of GIT_DIR and push it."""

# publish_git.sh runs it, with the repository and the author in the environment. The LFS objects in the repository are
# links to the descriptors of this process, so that weights are not copied.

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import string
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parent))
result_files = importlib.import_module("result_files")  # next to this file, not in a package

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
LARGE = 10 * 1024 * 1024
BY_LFS = b" filter=lfs diff=lfs merge=lfs -text\n"
# These files would change which files Git LFS sends, and to which server.
OF_GIT = (".gitattributes", ".gitmodules", ".lfsconfig")
_SPECIAL = b"\\*?["
_PLAIN = f"{string.ascii_letters}{string.digits}-._/".encode()
_BLOCK = 1 << 20


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report any exception in one line: a traceback hides the reason."""
    sys.stderr.write(f"ftc: error: cannot commit the result in {os.environ['GIT_DIR']}: {kind.__name__}: {error}\n")


def git(*words: str, data: bytes | None = None) -> str:
    """The output of git; if it fails, the reason is on standard error."""
    done = subprocess.run(["git", *words], input=data, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        result_files.fail(f"git {words[0]} ended with status {done.returncode}: the lines above say why")
    return done.stdout.decode().strip()


def pattern(name: bytes) -> bytes:
    """The .gitattributes pattern that matches one file only (git, gitattributes: patterns are quoted as in C)."""
    literal = b"".join(b"\\" + bytes([byte]) if byte in _SPECIAL else bytes([byte]) for byte in b"/" + name)
    return b'"' + b"".join(bytes([byte]) if byte in _PLAIN else b"\\%03o" % byte for byte in literal) + b'"'


def pointer(name: str, place: str) -> bytes:
    """The LFS pointer of a file; the object is added to the repository as a link."""
    if "\n" in name:  # a clone would wait forever: git-lfs reads a file's name to the end of the line
        result_files.fail(f"{name!r} of the result needs Git LFS, which does not support newlines in names: rename it")
    digest = hashlib.sha256()
    with Path(place).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    oid = digest.hexdigest()
    link = Path(os.environ["GIT_DIR"], "lfs", "objects", oid[:2], oid[2:4], oid)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(place)
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {result_files.size(place)}\n".encode()


def commit(files: dict[str, str]) -> str:
    """Commit the files."""
    attributes = b"".join(b"*" + end.encode() + BY_LFS for end in WEIGHTS)
    entries = []
    for name, place in files.items():
        path = os.fsencode(name)
        if name.endswith(WEIGHTS):
            content = pointer(name, place)
        elif result_files.size(place) > LARGE:
            attributes += pattern(path) + BY_LFS
            content = pointer(name, place)
        else:
            content = Path(place).read_bytes()
        entries.append((path, content))
    entries.append((b".gitattributes", attributes))
    lines = [f"100644 {git('hash-object', '-w', '--stdin', data=data)}\t".encode() + path for path, data in entries]
    git("update-index", "-z", "--index-info", data=b"\0".join([*lines, b""]))
    return git("commit-tree", git("write-tree"), data=os.environ["PUBLISH_MESSAGE"].encode() + b"\n")


def push(branch: str, made: str) -> None:
    """Push a commit as a branch, after its LFS objects."""
    url, ref = os.environ["PUBLISH_URL"], f"refs/heads/{branch}"
    git("update-ref", ref, made)
    lfs = ["git", "lfs", "push", "origin", branch]
    if subprocess.run(lfs, check=False).returncode:
        result_files.fail(f"cannot push the LFS objects of {branch} to {url}: the lines above say why")
    # Without its objects, Git LFS succeeds only if the server says that it has every one.
    shutil.rmtree(Path(os.environ["GIT_DIR"], "lfs", "objects"), ignore_errors=True)
    if subprocess.run(lfs, stdout=subprocess.DEVNULL, check=False).returncode:
        result_files.fail(f"{url} does not have the LFS objects of {branch} after the push: the lines above say why")
    subprocess.run(["git", "push", "--quiet", "origin", ref], check=False)
    # The status of the push is not enough: an attempt on a lost node may have pushed the same commit first.
    asked = subprocess.run(["git", "ls-remote", "--quiet", "origin", ref], stdout=subprocess.PIPE, check=False)
    if asked.stdout.decode().split() != [made, ref]:
        result_files.fail(f"cannot push branch {branch} to {url}: the server does not show it after the push")


def main() -> None:
    """Commit and push the files that the arguments name."""
    sys.excepthook = say_in_one_line
    root, path, branch = sys.argv[1:]
    files: dict[str, str] = result_files.with_card(root, path)
    for name in files:
        if name.rpartition("/")[2] in OF_GIT:
            result_files.fail(f"{name!r} of the result would configure git: remove it, and let the job restart")
    made = commit(files)
    sys.stdout.write(f"ftc: pushing {path} to branch {branch} of {os.environ['PUBLISH_URL']}\n")
    sys.stdout.flush()
    push(branch, made)
    sys.stdout.write(f"ftc: pushed commit {made} to branch {branch}\n")


if __name__ == "__main__":
    main()
