"""No trace that an environment variable enables prints a credential."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer
from e2e.pod_scripts import VOLCANO, pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

TRACES = {
    "xtrace": {"SHELLOPTS": "xtrace", "PS4": "+ $0 "},
    "verbose": {"SHELLOPTS": "verbose:xtrace"},
    "file": {"BASH_ENV": "FILE"},
    "git": {"GIT_TRACE": "1", "GIT_TRACE_CURL": "1", "GIT_CURL_VERBOSE": "1", "GIT_TRACE_REDACT": "0"},
}


@pytest.mark.parametrize("trace", TRACES)
def test_no_trace_prints_the_token(tmp_path: Path, git_server: GitServer, model_files: Path, trace: str) -> None:
    url = git_server.create(f"org/trace-{trace}")
    git_server.push(f"org/trace-{trace}", model_files)
    place = {"SOURCE": url, "TARGET_DIR": str(tmp_path / "cache" / "source-1f0c2a9e"), "NNODES": "1"}
    scripts = pod_scripts(tmp_path / "ftc", VOLCANO, **place, SHARED_CACHE="true", FETCH_TIMEOUT="600")
    scripts.write("trace.sh", "set -x\n")
    settings = {key: value.replace("FILE", str(scripts.root / "trace.sh")) for key, value in TRACES[trace].items()}
    done = scripts.run("fetch.sh", "bash", "download_git.sh", GIT_USER=USER, GIT_TOKEN=TOKEN, **settings)
    assert done.status == 0, done.log
    # bash quotes what it prints.
    assert not [part for part in (TOKEN, "tok-3n") if part in done.log]
    assert base64.b64encode(f"{USER}:{TOKEN}".encode()).decode() not in done.log
    assert trace == "git" or "+ " in done.log
