"""The commit that a revision of a source is now: of a git repository, or of a repository on the Hugging Face hub."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import quote

from ftc.pin.http import UnresolvedError, asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.spec.source import FromHub, Git, HuggingFace

SECONDS = 60
_LARGEST, _LAST = 16 << 20, 4096
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HUB = "https://huggingface.co"
# The order in which `git fetch` looks for a name.
_PLACES = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}")
_WHY = {401: "it needs a token: set HF_TOKEN", 403: "the token may not read it", 404: "it does not exist"}


def of_git(source: Git) -> str:
    """The commit of a branch or tag, as the server of the repository says."""
    name = source.revision or "HEAD"
    verify = () if source.tls_verify else ("-c", "http.sslVerify=false")
    command = ["git", *verify, "ls-remote", "--quiet", "--", source.url, name, f"{name}^{{}}"]
    # Credentials come from the user's helper; without one git must not wait for a person.
    # A helper of git that outlives it ends when its server is silent.
    quiet = {"GIT_ASKPASS": "true", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **os.environ}
    quiet |= {"GIT_TERMINAL_PROMPT": "0", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(SECONDS)}
    return _chosen(_said(command, quiet, source.url), name, source.url)


def _said(command: list[str], environment: Mapping[str, str], url: str) -> str:
    """The output of git, which is as long as the server wants it to be."""
    pipe = subprocess.PIPE
    try:
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - no shell; the spec allows no address or revision that begins with '-'
                command, stdout=pipe, stderr=errors, stdin=subprocess.DEVNULL, env=environment
            ) as git,
        ):
            end = Timer(SECONDS, git.kill)
            end.start()
            said = git.stdout.read(_LARGEST + 1) if git.stdout else b""
            is_late = not end.is_alive()
            end.cancel()
            if len(said) > _LARGEST:
                git.kill()
                raise UnresolvedError(f"the answer of {url} is larger than {_LARGEST >> 20} MiB")
            status = git.wait()
            errors.seek(max(0, errors.tell() - _LAST))
            reason = errors.read().decode("utf-8", "replace").strip().splitlines()
    except FileNotFoundError as error:
        raise UnresolvedError("git is not installed") from error
    if is_late:
        raise UnresolvedError(f"{url} does not answer within {SECONDS} seconds")
    if status:
        raise UnresolvedError(f"git cannot read {url}: {reason[-1] if reason else 'without a message'}")
    return said.decode("utf-8", "replace")


def _chosen(listed: str, name: str, url: str) -> str:
    """The commit of the first place that has the name; of an annotated tag, the commit that it names (`^{}`)."""
    lines = (line.partition("\t") for line in listed.splitlines())
    commits = {ref: commit for commit, _, ref in lines if COMMIT.fullmatch(commit)}
    for place in _PLACES:
        ref = place.format(name)
        if found := commits.get(f"{ref}^{{}}") or commits.get(ref):
            return found
    raise UnresolvedError(f"'{name}' is not a branch or tag of {url}")


def of_hub(source: HuggingFace | FromHub, kind: str) -> str:
    """The commit of a branch or tag on the hub; `kind` is models or datasets."""
    endpoint = (source.endpoint or os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    address = f"{endpoint}/api/{kind}/{source.repository}/revision/{quote(source.revision, safe='')}"
    token = os.environ.get("HF_TOKEN")
    answer = asked(address, {"Authorization": f"Bearer {token}"} if token else {})
    name = f"{source.repository} at {source.revision}"
    if answer.status != 200:  # noqa: PLR2004 - OK
        why = _WHY.get(answer.status, "")
        raise UnresolvedError(f"{endpoint} answers {answer.status} for {name}{f': {why}' if why else ''}")
    found = answer.json()
    commit = found.get("sha") if isinstance(found, dict) else None
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise UnresolvedError(f"{endpoint} does not give a commit for {name}")
    return commit
