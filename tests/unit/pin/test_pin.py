"""`ftc pin`, with git over HTTP, a local hub, and a registry that is a fake: it has no images, only digests of tags."""

from __future__ import annotations

import base64
import functools
import json
import os
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from e2e import hub_server
from e2e.hub_uploads import COMMIT
from ftc.pin import http, pins
from ftc.pin.conf import with_pins
from ftc.pin.pins import Image, image
from ftc.spec.source import Git
from unit.compiling import ftc

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST = f"sha256:{'0f' * 32}"
PATHS = ("/v2/team/trainer/manifests/1.0", "/v2/hiyouga/llamafactory/manifests/0.9.5")
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


class _Registry(BaseHTTPRequestHandler):
    """The routes of OCI's distribution specification that `ftc pin` uses; a token is needed, and anyone gets one."""

    digest = DIGEST
    realm = ""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        assert (query["service"], query["scope"][0][-5:]) == (["fake"], ":pull")
        self._answer(200, {}, json.dumps({"token": "anyone"}).encode())

    def do_HEAD(self) -> None:
        port = self.server.server_port  # type: ignore[attr-defined] # it is a ThreadingHTTPServer
        realm = self.realm or f"http://127.0.0.1:{port}/token"
        if self.headers["Authorization"] != "Bearer anyone":
            self._answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="fake",scope="ignored"'})
        elif self.path not in PATHS or "oci.image.index" not in self.headers["Accept"]:
            self._answer(404, {})
        else:
            self._answer(200, {"Docker-Content-Digest": self.digest})

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    for name in ("Qwen/Qwen3-0.6B", "tatsu-lab/alpaca"):
        (tmp_path / "hub" / name).mkdir(parents=True)
    with hub_server.serve_hub(tmp_path / "hub") as address:
        yield address


@pytest.fixture
def registry() -> Iterator[str]:
    with serving(_Registry) as address:
        yield address


def repository(tmp_path: Path, name: str = "data") -> tuple[Path, str]:
    """A repository with a branch and an annotated tag, for git's static HTTP protocol; and its first commit."""
    place = tmp_path / "git" / f"{name}.git"
    place.mkdir(parents=True)
    for words in (["init", "-q", "-b", "main"], ["commit", "-qm", name, "--allow-empty"], ["tag", "-am", "t", "v1"]):
        subprocess.run([*GIT, *words], cwd=place, check=True)
    return place / ".git", served(place)


def push(place: Path) -> str:
    subprocess.run([*GIT, "commit", "-qm", "more", "--allow-empty"], cwd=place.parent, check=True)
    return served(place.parent)


def served(place: Path) -> str:
    """Update what the static protocol serves; return the commit of HEAD."""
    subprocess.run(["git", "update-server-info"], cwd=place, check=True)
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=place, check=True, capture_output=True, text=True)
    return said.stdout.strip()


RUN = """\
# Our run.
defaults:
  - config # the shipped one
  # the cards
  - override hardware: nvidia
  - _self_
name: mine   # kept
image: {registry}/team/trainer:1.0
model: {{source: {{endpoint: "{hub}"}}}}
dataset: {{source: {{endpoint: "{hub}"}}}}
"""


def run(hub: str, registry: str, text: str = RUN) -> Path:
    Path("conf").mkdir(exist_ok=True)
    Path("conf/mine.yaml").write_text(text.format(hub=hub, registry=registry))
    return Path("conf/mine.yaml")


def spec() -> Any:
    said = ftc("show", "-c", "mine", "--config-dir", "conf")
    assert said.exit_code == 0, said
    return yaml.safe_load(said.stdout)


def test_commits_and_the_digest_are_written_next_to_the_run_and_used(hub: str, registry: str) -> None:
    file = run(hub, registry)
    before = file.read_text()
    said = ftc("pin", "mine")
    assert said.exit_code == 0, said
    assert f"model.source.revision: {COMMIT} (main of Qwen/Qwen3-0.6B)\n" in said.stdout
    moved = before.replace("  - _self_\n", "").replace("shipped one\n", "shipped one\n  - _self_\n  - pins/mine\n")
    assert file.read_text() == moved
    assert yaml.safe_load(Path("conf/pins/mine.yaml").read_text()) == {
        "pins": {
            "model.source.revision": "main of Qwen/Qwen3-0.6B",
            "dataset.source.revision": "main of tatsu-lab/alpaca",
            "image": f"{registry}/team/trainer:1.0",
        },
        "model": {"source": {"revision": COMMIT}},
        "dataset": {"source": {"revision": COMMIT}},
        "image": f"{registry}/team/trainer:1.0@{DIGEST}",
    }
    used = spec()
    assert {used[name]["source"]["revision"] for name in ("model", "dataset")} == {COMMIT}
    assert used["image"] == f"{registry}/team/trainer:1.0@{DIGEST}"


def test_a_setting_that_another_replaces_may_refer_to_a_missing_key(hub: str, registry: str) -> None:
    text = RUN.replace("model: {{source: {{", "model: {{source: {{revision: '${{nothing.here}}', ")
    run(hub, registry, text)
    assert "error" not in mine("model.source.revision=v1")


def mine(*overrides: str) -> str:
    return ftc("compile", "-c", "mine", "--config-dir", "conf", *overrides).stderr


STALE = "error[FTC267 stale-pin]: "
REFERRING = RUN.replace("{registry}/team/trainer:1.0", "{registry}/team/trainer:${{env.TAG}}").replace(
    "model: {{source: {{", "env: {{TAG: '1.0', BRANCH: main}}\nmodel: {{source: {{revision: '${{env.BRANCH}}', "
)


def test_a_pin_of_a_value_that_refers_to_another_key_lasts_until_that_key_changes(hub: str, registry: str) -> None:
    run(hub, registry, REFERRING)
    assert ftc("pin", "mine").exit_code == 0
    assert STALE not in mine()
    assert f"{STALE}image: is pinned for {registry}/team/trainer:1.0, not for" in mine("env.TAG='1.1'")
    assert f"{STALE}model.source.revision: is pinned for main of Qwen/Qwen3-0.6B, not for v2 of" in mine(
        "env.BRANCH=v2"
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["model=qwen3-8b"],
            "model.source.revision: is pinned for main of Qwen/Qwen3-0.6B, not for main of Qwen/Qwen3-8B",
        ),
        (
            ["model.source.repository=me/other"],
            "model.source.revision: is pinned for main of Qwen/Qwen3-0.6B, not for main",
        ),
        (
            ["dataset=no-robots"],
            "dataset.source.revision: is pinned for main of tatsu-lab/alpaca, not for main of HuggingFace",
        ),
    ],
)
def test_a_pin_does_not_apply_to_another_model_or_dataset(
    hub: str, registry: str, overrides: list[str], said: str
) -> None:
    run(hub, registry)
    ftc("pin", "mine")
    assert STALE not in mine()
    told = mine(*overrides)
    assert told.count(STALE) == 1
    assert f"{STALE}{said}" in told
    key = said.partition(":")[0]
    assert f"help: set {key} too; if you have edited the run, run `ftc pin` again" in told
    assert STALE not in mine(*overrides, f"{key}={'1a' * 20}"), "the revision of the other one is named"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "trainer:1.0",
            "trainer:2.0",
            "image: is pinned for {registry}/team/trainer:1.0, not for {registry}/team/trainer:2.0",
        ),
        (
            "image: {registry}/team/trainer:1.0\n",
            "",
            "image: is pinned for {registry}/team/trainer:1.0, not for hiyouga/",
        ),
        ("model: {{source: {{", "model: {{source: {{revision: v2, ", "model.source.revision: is pinned for main of"),
    ],
)
def test_a_pin_does_not_apply_to_another_tag(hub: str, registry: str, before: str, after: str, said: str) -> None:
    run(hub, registry)
    ftc("pin", "mine")
    written = Path("conf/mine.yaml").read_text()
    old, new = (text.format(registry=registry) for text in (before, after))
    assert old in written
    Path("conf/mine.yaml").write_text(written.replace(old, new))
    assert f"{STALE}{said.format(registry=registry)}" in mine()
    if "v2" not in after:
        ftc("pin", "mine")
        assert STALE not in mine()


def test_the_pinned_image_of_hardware_does_not_apply_to_other_hardware(hub: str, registry: str) -> None:
    own = "image: {registry}/team/trainer:1.0\n"
    run(hub, registry, RUN.replace(own, "cluster: {{registry: '{registry}'}}\n"))
    ftc("pin", "mine")
    assert STALE not in mine()
    assert f"{STALE}hardware.image: is pinned for hiyouga/llamafactory:0.9.5, not for" in mine("hardware=ascend")


def test_the_spec_of_a_pinned_run_compiles_again(hub: str, registry: str) -> None:
    run(hub, registry)
    ftc("pin", "mine")
    ftc("compile", "-c", "mine", "--config-dir", "conf", "-o", "out")
    again = ("compile", "-c", "spec", "--config-dir", "out")
    assert ftc(*again).exit_code == 0
    assert STALE in ftc(*again, "model.source.repository=me/other").stderr


def test_pins_that_the_run_does_not_need_any_more_are_emptied(hub: str, registry: str) -> None:
    file = run(hub, registry)
    assert ftc("pin", "mine").exit_code == 0
    own = f"revision: {'1a' * 20}, endpoint:"
    file.write_text(file.read_text().replace("endpoint:", own).replace(f"{registry}/team", "registry.invalid/team"))
    assert "conf/pins/mine.yaml: out of date" in ftc("pin", "mine", "--check").stderr
    assert ftc("pin", "mine").exit_code == 0
    assert spec()["model"]["source"]["revision"] == "1a" * 20


def test_a_branch_that_the_run_itself_names_is_pinned_too(hub: str, registry: str) -> None:
    run(hub, registry, RUN.replace("endpoint:", "revision: main, endpoint:"))
    assert "warning[FTC266" in ftc("compile", "-c", "mine", "--config-dir", "conf").stderr
    assert ftc("pin", "mine").exit_code == 0
    assert spec()["model"]["source"]["revision"] == COMMIT
    assert "FTC266" not in ftc("compile", "-c", "mine", "--config-dir", "conf").stderr


def test_a_second_time_only_what_has_moved_is_written(hub: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run(hub, registry)
    assert ftc("pin", "mine", "--check").exit_code == 1
    assert not Path("conf/pins").exists()
    ftc("pin", "mine")
    edited = file.read_text()
    assert ftc("pin", "mine", "--check").exit_code == 0
    assert ftc("pin", "mine").stderr == "ftc: nothing to write\n"
    other = DIGEST.replace("0f", "1e")
    monkeypatch.setattr(_Registry, "digest", other)
    check = ftc("pin", "mine", "--check")
    assert (check.exit_code, check.stderr) == (1, "ftc: conf/pins/mine.yaml: out of date, run `ftc pin mine`\n")
    assert ftc("pin", "mine").stdout.endswith("wrote conf/pins/mine.yaml\n")
    assert spec()["image"].endswith(other)
    assert file.read_text() == edited


def test_a_file_of_pins_that_is_lost_is_written_again(hub: str, registry: str) -> None:
    run(hub, registry)
    ftc("pin", "mine")
    written = Path("conf/pins/mine.yaml").read_text()
    for content in (None, "[\n"):
        Path("conf/pins/mine.yaml").unlink()
        if content:
            Path("conf/pins/mine.yaml").write_text(content)
        assert ftc("pin", "mine").exit_code == 0
        assert Path("conf/pins/mine.yaml").read_text() == written


def test_a_branch_and_an_annotated_tag_of_git_are_their_commits(hub: str, registry: str, tmp_path: Path) -> None:
    place, commit = repository(tmp_path)
    with serving(functools.partial(_Quiet, directory=str(place))) as address:
        text = RUN.replace("  - override", "  - override source@model.source: git\n  - override", 1)
        for revision in ("v1", "main", "", "refs/heads/main"):
            source = f'model: {{{{source: {{{{url: "http://{address}/", revision: "{revision}"}}}}}}}}\n'
            start, _, rest = text.partition("model: ")
            run(hub, registry, start + source + rest.partition("\n")[2])
            said = ftc("pin", "mine")
            assert said.exit_code == 0, said
            assert spec()["model"]["source"]["revision"] == commit


G = """\
defaults: [config, override source@model.source: git, override source@dataset.source: git, _self_]
name: g
model: {{source: {{url: "http://{git}/model.git/.git", revision: main}}}}
dataset: {{source: {{url: "http://{git}/data.git/.git", revision: main}}}}
"""
CHILD = "defaults: [g, _self_]\nname: child\n"
OUT_OF_DATE = "conf/pins/g.yaml: out of date, run `ftc pin g`\n"


class _Repositories(NamedTuple):
    """The repositories of G and another model, with their first commits, and the server's address."""

    address: str
    model: Path
    commits: dict[str, str]


@pytest.fixture
def inherited(tmp_path: Path) -> Iterator[_Repositories]:
    """A run that inherits a pinned run."""
    made = {name: repository(tmp_path, name) for name in ("model", "data", "other")}
    with serving(functools.partial(_Quiet, directory=str(tmp_path / "git"))) as git:
        Path("conf").mkdir()
        Path("conf/g.yaml").write_text(G.format(git=git) + f"image: 127.0.0.1:9/a@{DIGEST}\n")
        Path("conf/child.yaml").write_text(CHILD)
        assert ftc("pin", "g").exit_code == 0
        yield _Repositories(git, made["model"][0], {name: commit for name, (_, commit) in made.items()})


def of_child() -> tuple[Any, Any]:
    said = ftc("show", "-c", "child", "--config-dir", "conf")
    assert said.exit_code == 0, said
    shown = yaml.safe_load(said.stdout)
    return shown["model"]["source"]["revision"], shown["dataset"]["source"]["revision"]


def test_the_pins_that_a_run_inherits_are_checked_too(inherited: _Repositories) -> None:
    assert ftc("pin", "child", "--check").exit_code == 0
    assert ftc("pin", "child").stderr == "ftc: nothing to write\n"
    pushed = push(inherited.model)
    for words in (("pin", "child", "--check"), ("pin", "child")):
        said = ftc(*words)
        assert (said.exit_code, said.stderr) == (1, f"ftc: {OUT_OF_DATE}")
    assert not Path("conf/pins/child.yaml").exists()
    assert ftc("pin", "g").exit_code == 0
    assert ftc("pin", "child", "--check").exit_code == 0
    assert of_child() == (pushed, inherited.commits["data"])


@pytest.mark.parametrize("revision", [", revision: main", ""])
def test_a_run_pins_what_it_does_not_inherit(inherited: _Repositories, revision: str) -> None:
    other = f'model: {{source: {{url: "http://{inherited.address}/other.git/.git"{revision}}}}}\n'
    Path("conf/child.yaml").write_text(CHILD + other)
    said = ftc("pin", "child")
    assert said.exit_code == 0, said
    assert said.stdout.splitlines()[1:] == ["wrote conf/pins/child.yaml", "wrote conf/child.yaml"]
    assert list(yaml.safe_load(Path("conf/pins/child.yaml").read_text())["pins"]) == ["model.source.revision"]
    assert of_child() == (inherited.commits["other"], inherited.commits["data"])
    push(inherited.model)
    assert ftc("pin", "child", "--check").exit_code == 0, "the model of g is not that of child"
    Path("conf/pins/child.yaml").unlink()
    push(inherited.model.parents[1] / "data.git" / ".git")
    check = ftc("pin", "child", "--check")
    assert check.exit_code == 1
    assert check.stderr == f"ftc: conf/pins/child.yaml: out of date, run `ftc pin child`; {OUT_OF_DATE}"


@pytest.mark.usefixtures("inherited")
def test_a_lost_file_of_inherited_pins_is_an_error() -> None:
    Path("conf/pins/g.yaml").unlink()
    said = ftc("pin", "child", "--check")
    assert said.exit_code == 1
    assert "pins/g" in said.stderr


def test_every_source_that_fails_is_reported_and_nothing_is_written(hub: str, registry: str, tmp_path: Path) -> None:
    file = run(hub, registry, RUN + "\n")
    before = file.read_text()
    (tmp_path / "hub" / "tatsu-lab" / "alpaca").rename(tmp_path / "elsewhere")
    text = before.replace("model: {", "model: {").replace("endpoint:", "revision: gone, endpoint:", 1)
    file.write_text(text)
    said = ftc("pin", "mine")
    assert said.exit_code == 1
    assert "model.source.revision: " in said.stderr
    assert "answers 404 for Qwen/Qwen3-0.6B at gone: it does not exist" in said.stderr
    assert "answers 404 for tatsu-lab/alpaca at main: it does not exist" in said.stderr
    assert (file.read_text(), Path("conf/pins").exists()) == (text, False)


def test_an_image_whose_registry_does_not_answer_keeps_its_tag(hub: str) -> None:
    run(hub, "127.0.0.1:9")
    said = ftc("pin", "mine")
    assert said.exit_code == 0
    assert "ftc: image is not pinned: cannot reach 127.0.0.1:9: " in said.stderr
    assert spec()["image"] == "127.0.0.1:9/team/trainer:1.0"


def test_the_image_of_the_hardware_still_comes_from_the_registry_of_the_cluster(hub: str, registry: str) -> None:
    own = "image: {registry}/team/trainer:1.0\n"
    run(hub, registry, RUN.replace(own, "cluster: {{registry: '{registry}'}}\n"))
    said = ftc("pin", "mine")
    assert said.exit_code == 0, said
    assert f"  image: hiyouga/llamafactory:0.9.5@{DIGEST}\n" in Path("conf/pins/mine.yaml").read_text()
    manifest = ftc("compile", "-c", "mine", "--config-dir", "conf").stdout
    assert f"image: {registry}/hiyouga/llamafactory:0.9.5@{DIGEST}\n" in manifest


def test_a_digest_stays_while_its_registry_does_not_answer(hub: str) -> None:
    with serving(_Registry) as registry:
        run(hub, registry)
        ftc("pin", "mine")
    written = Path("conf/pins/mine.yaml").read_text()
    assert DIGEST in written
    said = ftc("pin", "mine")
    assert said.exit_code == 0
    assert "ftc: image keeps its pin: cannot reach " in said.stderr
    assert Path("conf/pins/mine.yaml").read_text() == written
    run_file = Path("conf/mine.yaml")
    run_file.write_text(run_file.read_text().replace("trainer:1.0", "trainer:2.0"))
    assert "ftc: image is not pinned: " in ftc("pin", "mine").stderr
    assert "sha256" not in Path("conf/pins/mine.yaml").read_text()


@pytest.mark.parametrize("answer", ["", "sha256:0f", f"{DIGEST}\u0085", "sha256:" + "0F" * 32, "md5:" + "0" * 64])
def test_a_digest_that_is_none_is_not_written(
    hub: str, registry: str, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(_Registry, "digest", answer)
    run(hub, registry)
    assert "image is not pinned: " in ftc("pin", "mine").stderr
    assert "sha256" not in Path("conf/pins/mine.yaml").read_text()


def test_the_token_of_a_registry_is_asked_over_the_web_only(
    hub: str, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Registry, "realm", "file:///etc/passwd")
    run(hub, registry)
    assert "it needs credentials" in ftc("pin", "mine").stderr


@pytest.mark.parametrize("sha", ["main", "../../x", 7, None, "0" * 39, f"{COMMIT}\n"])
def test_a_hub_that_gives_no_commit_is_refused(registry: str, sha: object) -> None:
    class Lying(_Quiet):
        def do_GET(self) -> None:
            body = json.dumps({"sha": sha}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Lying) as address:
        run(f"http://{address}", registry)
        said = ftc("pin", "mine")
    assert said.exit_code == 1
    assert "does not give a commit for Qwen/Qwen3-0.6B at main" in said.stderr
    assert not Path("conf/pins").exists()


def test_a_token_does_not_go_to_the_host_of_a_redirect(registry: str) -> None:
    seen: list[str | None] = []

    class Elsewhere(_Quiet):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_error(404)

    with serving(Elsewhere) as target:

        class Redirecting(_Quiet):
            def do_GET(self) -> None:
                seen.append(self.headers["Authorization"])
                self.send_response(302)
                self.send_header("Location", f"http://{target}/x")
                self.end_headers()

        with serving(Redirecting) as address:
            run(f"http://{address}", registry)
            assert ftc("pin", "mine").exit_code == 1
    assert sorted(map(str, seen)) == [f"Bearer {hub_server.TOKEN}"] * 2 + ["None"] * 2


def test_a_server_that_does_not_answer_in_time(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run(f"http://127.0.0.1:{silent.getsockname()[1]}", registry)
        said = ftc("pin", "mine")
    assert said.exit_code == 1
    assert said.stderr.count("does not answer within 0.2 seconds") == 2


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_sends_a_byte_now_and_then(registry: str, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(http, "SECONDS", 1)
    ended = threading.Event()

    class Slow(_Quiet):
        def do_GET(self) -> None:
            if part == "body":
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
            with suppress(OSError):
                while not ended.wait(0.1):
                    self.wfile.write(b" ")

    with serving(Slow) as address:
        run(f"http://{address}", registry)
        threading.Timer(60, ended.set).start()
        said = ftc("pin", "mine")
        assert not ended.is_set()
        ended.set()
    assert said.exit_code == 1
    assert said.stderr.count("does not answer within 1 seconds") == 2


@pytest.mark.parametrize("realm", ["http://[::1", "//", "https://[/x", "\u00a0"])
def test_a_registry_that_names_no_server_for_its_token(
    hub: str, registry: str, monkeypatch: pytest.MonkeyPatch, realm: str
) -> None:
    monkeypatch.setattr(_Registry, "realm", realm)
    run(hub, registry)
    said = ftc("pin", "mine")
    assert said.exit_code == 0
    assert "image is not pinned" in said.stderr


def test_credentials_in_the_address_of_a_hub_are_not_printed(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = "\n".join(line for line in RUN.splitlines() if "endpoint" not in line)
    run("", registry, without)
    monkeypatch.setenv("HF_ENDPOINT", "http://user:5ecret-w0rd@127.0.0.1:1")
    said = ftc("pin", "mine")
    assert said.exit_code == 1
    assert "5ecret" not in said.stderr


@pytest.mark.parametrize("kind", ["endless", "silent"])
def test_git_that_answers_without_end_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "git"
    program.write_text("#!/bin/sh\nexec " + ("yes" if kind == "endless" else "sleep 600") + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(pins, "SECONDS", 60 if kind == "endless" else 1)
    with pytest.raises(http.UnresolvedError) as raised:
        pins.of_git(Git(url="https://git.example/a", revision="main"))
    assert ("larger than 16 MiB" if kind == "endless" else "does not answer within 1 seconds") in str(raised.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[config, _self_]", "[config, _self_, pins/mine]"),
        ("[config, override hardware: h800, _self_]", "[config, _self_, pins/mine, override hardware: h800]"),
        ("[_self_, config] # x", "[_self_, config, pins/mine] # x"),
        ("[config]", "[config, _self_, pins/mine]"),
        ("\n- config\n- _self_", "\n- config\n- _self_\n- pins/mine"),
        ("\n  - config # a\n  - _self_ # b\n  # c", "\n  - config # a\n  - _self_ # b\n  - pins/mine\n  # c"),
        (
            "\n  - config\n  - tracking: wandb # a\n\n  - override hardware: h800\n  - _self_",
            "\n  - config\n  - tracking: wandb # a\n  - _self_\n  - pins/mine\n\n  - override hardware: h800",
        ),
        ("[config, pins/mine, _self_]", "[config, pins/mine, _self_]"),
        (
            "\n  - config\n  - override hardware: h800 # cards\n  - _self_ # ours wins",
            "\n  - config\n  - _self_ # ours wins\n  - pins/mine\n  - override hardware: h800 # cards",
        ),
    ],
)
def test_the_defaults_list_keeps_its_form(before: str, after: str) -> None:
    for end in ("\n", "\r\n"):
        texts = [f"# a\ndefaults: {one}\nname: x # y\n".replace("\n", end) for one in (before, after)]
        assert with_pins(texts[0], "mine") == texts[1]


# `_self_` would move, and the comment that is before it would be lost.
COMMENTED = "defaults: [\n  config,\n  override hardware: h800, # cards\n  _self_\n]\n"


@pytest.mark.parametrize("text", ["name: x\n", "defaults: []\n", "defaults: [_self_]\n", "[]\n", COMMENTED])
def test_a_list_that_cannot_be_extended_is_left_to_the_user(text: str) -> None:
    assert with_pins(text, "mine") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config", "'config' is not a run of yours: conf/config.yaml does not exist; known: mine"),
        ("mines", "'mines' is not a run of yours: conf/mines.yaml does not exist; did you mean 'mine'?"),
        ("mine.yaml", "'mine.yaml' is not the name of a run: for conf/mine.yaml it is `ftc pin mine`"),
        ("conf/mine.yaml", "'conf/mine.yaml' is not the name of a run: for conf/mine.yaml it is `ftc pin mine`"),
        ("../mine", "'../mine' is not the name of a run: for conf/mine.yaml it is `ftc pin mine`"),
        ("team/u", "'team/u' is not the name of a run: a run is a file in conf, not in a directory below; known: mine"),
        ("mines.yaml", "'mines.yaml' is not the name of a run: a run is a file in conf, not in a directory below; did"),
        ("pins/mine", "'pins/mine' is not the name of a run: for conf/mine.yaml it is `ftc pin mine`"),
    ],
)
def test_only_a_run_of_the_user_is_pinned(hub: str, registry: str, name: str, said: str) -> None:
    run(hub, registry)
    done = ftc("pin", name)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"ftc: {said}")


class _Private(_Registry):
    """A registry whose tokens need a password; `scheme` is how it asks for it."""

    scheme = "Bearer"

    def do_GET(self) -> None:
        if self.headers["Authorization"] == f"Basic {LOGIN}":
            super().do_GET()
        else:
            self._answer(401, {})

    def do_HEAD(self) -> None:
        if self.scheme == "Bearer":
            super().do_HEAD()
        elif self.headers["Authorization"] != f"Basic {LOGIN}":
            self._answer(401, {"WWW-Authenticate": 'Basic realm="private"'})
        else:
            self._answer(200, {"Docker-Content-Digest": self.digest})


LOGIN = base64.b64encode(b"robot:secret").decode()


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
@pytest.mark.parametrize("place", ["{}", "https://{}", "https://{}/v1/"])
def test_the_credentials_of_docker_are_used(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, place: str
) -> None:
    monkeypatch.setattr(_Private, "scheme", scheme)
    with serving(_Private) as registry:
        run(hub, registry)
        (tmp_path / "docker" / "config.json").write_text(
            json.dumps({"auths": {place.format(registry): {"auth": LOGIN}}})
        )
        said = ftc("pin", "mine")
    assert said.stderr == ""
    assert f"@{DIGEST}" in said.stdout
    assert LOGIN not in said.stdout


@pytest.mark.parametrize(
    "config",
    [
        None,
        "[",
        "[]",
        '{"auths": []}',
        '{"auths": {"other": {"auth": "eDp5"}}}',
        '{"credsStore": "desktop"}',
        '{"auths": {"REG": {"auth": "a\\nb"}}}',
    ],
)
def test_a_registry_that_needs_other_credentials_says_what_to_do(hub: str, tmp_path: Path, config: str | None) -> None:
    file = tmp_path / "docker" / "config.json"
    with serving(_Private) as registry:
        run(hub, registry)
        if config is not None:
            file.write_text(config.replace("REG", registry))
        said = ftc("pin", "mine")
    assert said.exit_code == 0
    assert f"{registry} answers 401: it needs credentials, and {file} does not have them" in said.stderr
    assert f"run `docker login {registry}`; ftc does not ask the helpers of credsStore" in said.stderr


def test_references_are_read_as_docker_reads_them() -> None:
    assert image("ubuntu") == Image("registry-1.docker.io", "library/ubuntu", "latest")
    assert image("hiyouga/llamafactory:0.9.5") == Image("registry-1.docker.io", "hiyouga/llamafactory", "0.9.5")
    assert image("r.example.com:5000/a/b") == Image("r.example.com:5000", "a/b", "latest")
    assert image("localhost/a:1") == Image("localhost", "a", "1")
