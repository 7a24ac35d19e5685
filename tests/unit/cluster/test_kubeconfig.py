"""A kubeconfig that cannot be read is one line, and not a bug of ftc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", %s}}]
users: [{name: u, user: {}}]
"""


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b"contexts: 3\n",
        b"contexts: [1]\ncurrent-context: a\n",
        (CONFIG % 'certificate-authority-data: "!!x"').encode(),
        (CONFIG % "certificate-authority: /nowhere/ca.crt").encode(),
    ],
)
@pytest.mark.parametrize("command", ["status", "why", "submit"])
def test_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, command: str) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", str(file))
    said = ftc(command, *(["job"] if command == "why" else []))
    assert said.exit_code in (1, 3)
    (line,) = said.stderr.splitlines()
    assert line.startswith("ftc: the API server: cannot read the kubeconfig: ")
