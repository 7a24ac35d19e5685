"""Compile and lint find the same spellings of a secret, and neither prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from ftc.diagnostics.printable import redacted
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from unit.compiling import found, ftc
from unit.diagnostics.test_redact import TOKENS

if TYPE_CHECKING:
    from pathlib import Path

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
# RFC 3986, section 3.2.1; curl(1): -u, --user, --proxy-user; the variables of proxies in curl(1) and requests.
VARIABLES = (
    ("HTTPS_PROXY", "http://hunter22@proxy:3128"),
    ("https_proxy", "me:hunter22@proxy:3128"),
    ("http_proxy", "hunter22@proxy"),
    ("ALL_PROXY", "socks5h://hunter22@proxy"),
    ("http_proxy", "http://me%3Ahunter22%40proxy"),
    ("PIP_INDEX_URL", "https://me:hunter22@example.com/simple"),
    ("PIP_INDEX_URL", "HTTPS://hunter22@example.com/simple"),
    ("URL", "https://example.com/?Private-Token=hunter22"),
    ("FLAGS", "curl -u me:hunter22 h"),
    *(("X", token) for _, token in TOKENS),
)
NO_VARIABLES = (
    ("HTTPS_PROXY", "http://proxy:3128"),
    ("https_proxy", "$(USER)@proxy:3128"),
    ("PIP_INDEX_URL", "https://git@example.com/simple"),
    ("PIP_INDEX_URL", "https://$(USER):$(PASSWORD)@example.com/simple"),
    ("MAIL", "me@example.com"),
    ("FLAGS", "curl -s h:80"),
)
COMMANDS = (
    ["git", "clone", "https://hunter22@h.example/m"],
    ["pip", "install", "git+https://hunter22@h.example/m"],
    ["env", "HTTPS_PROXY=me:hunter22@p", "x"],
    ["curl", "-u", "me:hunter22", "https://h.example"],
    ["curl", "-sSu", "me:hunter22", "https://h.example"],
    ["curl", "-H", "PRIVATE-TOKEN: hunter22", "h"],
    ["curl", "--proxy-user", "me:hunter22", "h"],
    ["bash", "-c", "curl --user=me:hunter22 h"],
    ["bash", "-c", "curl -ume:hunter22 h"],
    ["bash", "-c", 'set -e\ncurl -u "me:hunter22" h'],
    ["bash", "-c", "curl -s \\\n  -u 'me:hunter22' \\\n  h"],
    ["bash", "-c", "export https_proxy=me:hunter22@p:80\nx"],
    ["bash", "-c", "https_proxy='hunter22@p' x"],
)
NO_COMMANDS = (
    ["git", "clone", "git@h.example/m"],
    ["pip", "install", "x@y"],
    ["curl", "-u", "me", "https://h.example"],
    ["bash", "-c", 'curl -u "$USER:$PASSWORD" h'],
    ["bash", "-c", "curl -s h | tar -u a:b"],
    ["bash", "-c", "git clone https://$TOKEN@h.example/m"],
    ["bash", "-c", "# like https://user@h.example/m\n  # or curl -u user:password h\nx"],
    ["bash", "-c", "curl h\nuseradd -u 1000:1000"],
)


def job(container: dict[str, object]) -> str:
    body = {"containers": [{"name": "train", "image": "example.com/a:1", **container}], "restartPolicy": "Never"}
    return yaml.safe_dump(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": body}}}
    )


def linted(text: str) -> set[str]:
    return {one.code for one in lint([("a.yaml", text.encode())], NEWEST)} & {"FTC601"}


def compiled(*overrides: str) -> set[str]:
    return {one.code for one in found(*overrides)} & {"FTC601"}


def of_variable(name: str, value: str) -> tuple[set[str], set[str]]:
    return linted(job({"env": [{"name": name, "value": value}]})), compiled(f"env.{name}={quoted(value)}")


def of_command(words: list[str]) -> tuple[set[str], set[str]]:
    return linted(job({"command": words})), compiled(f"setup=[[{','.join(map(quoted, words))}]]")


def quoted(text: str) -> str:
    """A string in the grammar of overrides."""
    return "'" + text.replace("'", "\\'") + "'"


@pytest.mark.parametrize(("name", "value"), VARIABLES, ids=str)
def test_both_find_a_secret_in_a_variable(name: str, value: str) -> None:
    assert of_variable(name, value) == ({"FTC601"}, {"FTC601"})


@pytest.mark.parametrize(("name", "value"), NO_VARIABLES, ids=str)
def test_neither_reports_another_variable(name: str, value: str) -> None:
    assert of_variable(name, value) == (set(), set())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_both_find_a_secret_in_a_command(words: list[str]) -> None:
    assert of_command(words) == ({"FTC601"}, {"FTC601"})


@pytest.mark.parametrize("words", NO_COMMANDS, ids=" ".join)
def test_neither_reports_another_command(words: list[str]) -> None:
    assert of_command(words) == (set(), set())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_lint_finds_it_in_a_script_of_a_config_map(words: list[str]) -> None:
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a.sh": " ".join(words)}}
    assert linted(yaml.safe_dump(data)) == {"FTC601"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_neither_prints_it(words: list[str], tmp_path: Path) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text(job({"command": words}), encoding="utf-8")
    for said in (ftc("lint", str(manifest)), ftc("compile", f"setup=[[{','.join(map(quoted, words))}]]")):
        assert "hunter22" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    "text",
    [
        "curl " * 50_000,
        "curl -" + "u" * 200_000,
        "curl" + " -u" * 80_000,
        "_proxy" * 40_000,
        "http://" * 40_000,
        "http://u@ " * 25_000,
    ],
)
def test_a_large_text_is_searched_in_time(text: str) -> None:
    linted(job({"command": ["bash", "-c", text]}))
    redacted(text)
