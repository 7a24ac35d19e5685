"""A git smart-HTTP server with LFS, a password and TLS on loopback: lighttpd, git http-backend and giftless."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USER = "ftc-user"
TOKEN = "tok-3n:/@ $(id) `id` %41"  # noqa: S105 - it must arrive unchanged and not be printed

_REQUIREMENTS = Path(__file__).with_name("requirements-giftless.txt")

# giftless leaves authentication to lighttpd; its own tokens are for the objects that it names in an answer.
_GIFTLESS = """
LEGACY_ENDPOINTS: false
AUTH_PROVIDERS: ["giftless.auth.allow_anon:read_write"]
PRE_AUTHORIZED_ACTION_PROVIDER:
  factory: giftless.auth.jwt:factory
  options: {{algorithm: HS256, private_key: "a test key of at least thirty-two bytes"}}
TRANSFER_ADAPTERS:
  basic:
    factory: giftless.transfer.basic_streaming:factory
    options:
      storage_class: giftless.storage.local_storage:LocalStorage
      storage_options: {{path: "{root}/lfs"}}
"""

_LIGHTTPD = """
server.modules = ("mod_auth", "mod_authn_file", "mod_setenv", "mod_alias", "mod_cgi", "mod_proxy", "mod_accesslog",
                  "mod_openssl")
server.bind = "127.0.0.1"
server.port = {http}
server.document-root = "{root}/repositories"
accesslog.filename = "{root}/access.log"
accesslog.format = "%u %m %U %s"
$SERVER["socket"] == "127.0.0.1:{https}" {{
  ssl.engine = "enable"
  ssl.pemfile = "{root}/server.pem"
  ssl.privkey = "{root}/server.key"
}}
auth.backend = "plain"
auth.backend.plain.userfile = "{root}/users"
$HTTP["url"] !~ "\\.git/info/lfs/objects/storage/" {{
  auth.require = ("/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
}}
$HTTP["url"] =~ "\\.git/info/lfs/" {{
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => {lfs})))
}} else {{
  alias.url = ("/" => "{git}/git-http-backend/")
  cgi.assign = ("" => "")
  setenv.add-environment = ("GIT_PROJECT_ROOT" => "{root}/repositories", "GIT_HTTP_EXPORT_ALL" => "1")
}}
"""


@dataclass(frozen=True)
class GitServer:
    """A running server; its repositories are bare ones in `root`."""

    root: Path
    http: int
    https: int

    @property
    def ca_bundle(self) -> Path:
        """The certificate that signs the TLS address."""
        return self.root / "server.pem"

    def url(self, name: str, *, tls: bool = False) -> str:
        """The address of a repository, named `organisation/repository`."""
        return f"https://localhost:{self.https}/{name}.git" if tls else f"http://127.0.0.1:{self.http}/{name}.git"

    def bare(self, name: str) -> Path:
        """The directory of a repository."""
        return self.root / "repositories" / f"{name}.git"

    def create(self, name: str) -> str:
        """Create an empty repository and return its address."""
        run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare(name))])
        run(["git", "-C", str(self.bare(name)), "config", "http.receivepack", "true"])
        return self.url(name)

    def branches(self, name: str) -> dict[str, str]:
        """The commit of each branch of a repository."""
        form = "--format=%(refname:short) %(objectname)"
        lines = run(["git", "-C", str(self.bare(name)), "for-each-ref", form, "refs/heads"]).splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def push(self, name: str, files: Path, *, message: str = "files") -> str:
        """Commit all files of a directory to main, weights by LFS, and return the commit."""
        with tempfile.TemporaryDirectory() as clone:
            git = ["git", "-C", clone]
            run([*git, "init", "--quiet", "--initial-branch=main"])
            run([*git, "remote", "add", "origin", self.url(name)])
            if self.branches(name):
                run([*git, "fetch", "--quiet", "origin", "main"])
                run([*git, "reset", "--quiet", "--soft", "FETCH_HEAD"])
            shutil.copytree(files, clone, symlinks=True, dirs_exist_ok=True)
            attributes = Path(clone, ".gitattributes")
            attributes.write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
            run([*git, "add", "--all"])
            run([*git, "commit", "--quiet", "--message", message])
            run([*git, "push", "--quiet", "origin", "HEAD:refs/heads/main"])
            return run([*git, "rev-parse", "HEAD"]).strip()

    def clone(self, name: str, branch: str, directory: Path) -> Path:
        """Clone a branch as a user would, with LFS."""
        run(["git", "clone", "--quiet", "--branch", branch, self.url(name), str(directory)])
        return directory

    def requests(self) -> list[str]:
        """The lines of the access log so far: user, method, path, status."""
        time.sleep(1.5)  # lighttpd writes its log once a second
        return (self.root / "access.log").read_text(encoding="utf-8").splitlines()


def run(command: Sequence[str]) -> str:
    """Run a command as the owner of the repositories; its output. The machine's own git configuration is not read."""
    helper = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$OWNER" "$OWNER_TOKEN"; }; f'
    settings = {
        "credential.helper": helper,
        "user.name": "owner",
        "user.email": "owner@localhost",
        "filter.lfs.clean": "git-lfs clean -- %f",
        "filter.lfs.smudge": "git-lfs smudge -- %f",
        "filter.lfs.process": "git-lfs filter-process",
        "filter.lfs.required": "true",
    }
    environment = {"PATH": os.environ["PATH"], "OWNER": USER, "OWNER_TOKEN": TOKEN, "GIT_TERMINAL_PROMPT": "0"}
    environment |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0:4]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def virtual_environment(requirements: Path, name: str, *options: str) -> Path:
    """A virtual environment with the packages of a requirements file, created once per machine; options are pip's."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    venv = Path(tempfile.gettempdir(), f"ftc-{name}-{digest}")
    with Path(f"{venv}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
            pip = [str(venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *options, "--requirement", str(requirements)], check=True)
            (venv / "complete").touch()
    return venv


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for a server that was just started."""
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}; its log is next to its configuration")


@contextmanager
def _service(command: Sequence[str], log: Path, port: int, **environment: str) -> Iterator[None]:
    """Run a program until the end of the block; the block starts when it listens."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | environment)
        try:
            wait_until_listening(port, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def _make_certificate(root: Path) -> None:
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    files = ["-keyout", str(root / "server.key"), "-out", str(root / "server.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-addext", names, *files], check=True, capture_output=True)


@contextmanager
def serve_git(root: Path) -> Iterator[GitServer]:
    """Serve the repositories of a directory until the end of the block."""
    server = GitServer(root, http=free_port(), https=free_port())
    lfs = free_port()
    (root / "repositories").mkdir(parents=True)
    (root / "users").write_text(f"{USER}:{TOKEN}\n", encoding="utf-8")
    _make_certificate(root)
    giftless = root / "giftless.yaml"
    giftless.write_text(_GIFTLESS.format(root=root), encoding="utf-8")
    lighttpd = root / "lighttpd.conf"
    git = run(["git", "--exec-path"]).strip()
    lighttpd.write_text(
        _LIGHTTPD.format(root=root, http=server.http, https=server.https, lfs=lfs, git=git), encoding="utf-8"
    )
    waitress = virtual_environment(_REQUIREMENTS, "giftless") / "bin/waitress-serve"
    proxy = ["--trusted-proxy=127.0.0.1", "--trusted-proxy-headers=x-forwarded-proto x-forwarded-host"]
    serve_lfs = [str(waitress), "--host=127.0.0.1", f"--port={lfs}", *proxy, "giftless.wsgi_entrypoint:app"]
    serve_http = [
        shutil.which("lighttpd", path=f"{os.environ['PATH']}:/usr/sbin") or "lighttpd",
        "-D",
        "-f",
        str(lighttpd),
    ]
    with ExitStack() as services:
        services.enter_context(_service(serve_lfs, root / "giftless.log", lfs, GIFTLESS_CONFIG_FILE=str(giftless)))
        services.enter_context(_service(serve_http, root / "lighttpd.log", server.http))
        yield server
