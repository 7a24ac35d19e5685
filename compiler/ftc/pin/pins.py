"""What a run names by a branch, a tag or nothing, and the commits and digests that these are now.

A commit is asked from git or the Hugging Face hub, a digest from the registry of the image (OCI Distribution
Specification).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from ftc.pin.http import Answer, UnresolvedError, asked
from ftc.plan.registry import pulled
from ftc.rules.spec.revisions import pinned
from ftc.spec.job import is_dataset, source_path
from ftc.spec.source import FromHub, Git, HuggingFace, ModelScope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec
    from ftc.spec.source import Source


class Wanted(NamedTuple):
    """A key, what it names, and how to resolve it; a key that is not `needed` may stay as it is."""

    key: KeyPath
    names: str
    resolve: Callable[[], str]
    needed: bool = True


class Pin(NamedTuple):
    """The value that a key should have and the name that was resolved; or an empty value and the reason."""

    key: KeyPath
    value: str
    names: str
    why: str = ""
    needed: bool = True


def pins(spec: JobSpec) -> list[Pin]:
    """Resolve everything in a run that is not fixed, all at once."""
    wanted = [
        *(one for name, source in spec.sources.items() if (one := _source(name, source))),
        *([] if "@" in spec.image else [_image(spec)]),
    ]
    with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
        return list(pool.map(_pin, wanted))


def _source(name: str, source: Source) -> Wanted | None:
    key = (*source_path(name), "revision")
    match source:
        case Git() if not COMMIT.fullmatch(source.revision):
            return Wanted(key, pinned(source, source.revision), lambda: of_git(source))
        case HuggingFace() if not COMMIT.fullmatch(source.revision):
            kind = "datasets" if is_dataset(name) else "models"
            return Wanted(key, pinned(source, source.revision), lambda: of_hub(source, kind))
        case FromHub() if not is_dataset(name) and not COMMIT.fullmatch(source.revision):
            return Wanted(key, pinned(source, source.revision), lambda: of_hub(source, "models"))
        case ModelScope():
            return Wanted(key, pinned(source, source.revision), _of_modelscope, needed=False)
        case _:
            return None


def _of_modelscope() -> str:
    raise UnresolvedError("ModelScope's clients list branches and tags, not commits: name a tag")


def _image(spec: JobSpec) -> Wanted:
    """The image; that of the hardware stays its key, because only that one comes from the cluster's own registry."""
    key: KeyPath = ("hardware", "image") if spec.image == spec.hardware.image else ("image",)
    return Wanted(key, spec.image, lambda: f"{spec.image}@{digest(pulled(spec))}", needed=False)


def _pin(wanted: Wanted) -> Pin:
    try:
        return Pin(wanted.key, wanted.resolve(), wanted.names)
    except UnresolvedError as error:
        return Pin(wanted.key, "", wanted.names, str(error), wanted.needed)


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


DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HUB, _HUB_SERVER = "docker.io", "registry-1.docker.io"
_HERE = ("localhost", "127.0.0.1", "::1")
_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join(_MEDIA_TYPES)}
_HOST = re.compile(r"^https?://")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_WHY_NOT = {403: "it refuses", 404: "the image does not exist"}


class Image(NamedTuple):
    """A reference to an image: `registry` is the host and port of its server."""

    registry: str
    repository: str
    tag: str


def image(reference: str) -> Image:
    """Parse a reference without a digest, as Docker and containerd do."""
    first, slash, rest = reference.partition("/")
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if has_host else (_HUB, reference)
    repository, _, tag = path.partition(":")
    if host in (_HUB, "index.docker.io"):
        return Image(_HUB_SERVER, repository if "/" in repository else f"library/{repository}", tag or "latest")
    return Image(host, repository, tag or "latest")


def digest(reference: str) -> str:
    """The digest of a tag; raises UnresolvedError if the registry does not give one."""
    wanted = image(reference)
    scheme = "http" if urlsplit(f"//{wanted.registry}").hostname in _HERE else "https"
    url = f"{scheme}://{wanted.registry}/v2/{wanted.repository}/manifests/{wanted.tag}"
    answer = asked(url, _ACCEPT, "HEAD")
    if answer.status == 401:  # noqa: PLR2004 - Unauthorized
        answer = asked(url, {**_ACCEPT, "Authorization": _authorization(answer, wanted, scheme)}, "HEAD")
    if answer.status == 401:  # noqa: PLR2004 - the same
        raise _refused(wanted)
    if answer.status != 200:  # noqa: PLR2004 - OK
        why = _WHY_NOT.get(answer.status, "")
        raise UnresolvedError(f"{wanted.registry} answers {answer.status}{f': {why}' if why else ''}")
    found = answer.headers["Docker-Content-Digest"] or ""
    if not DIGEST.fullmatch(found):
        raise UnresolvedError(f"{wanted.registry} does not give a digest of {wanted.repository}:{wanted.tag}")
    return found


def _refused(wanted: Image) -> UnresolvedError:
    login = " ".join(["docker login", *([] if wanted.registry == _HUB_SERVER else [wanted.registry])])
    return UnresolvedError(
        f"{wanted.registry} answers 401: it needs credentials, and {_docker_config()} does not have them: "
        f"run `{login}`; ftc does not ask the helpers of credsStore"
    )


def _authorization(refusal: Answer, wanted: Image, scheme: str) -> str:
    """The credentials that the registry asks for: those of Docker, or a token from the server that it names.

    Anyone gets a token for a public image. Credentials go to that server only over TLS, or on this machine.
    """
    challenge = refusal.headers["WWW-Authenticate"] or ""
    login = _login(wanted.registry)
    if challenge.lower().startswith("basic") and login:
        return f"Basic {login}"
    given = dict(_PARAMETER.findall(challenge))
    realm = given.get("realm", "")
    try:
        is_web = urlsplit(realm).scheme in ("https", scheme)
    except ValueError:  # an address that is malformed
        is_web = False
    if not is_web:
        raise _refused(wanted)
    query = urlencode({"service": given.get("service", ""), "scope": f"repository:{wanted.repository}:pull"})
    headers = {"Authorization": f"Basic {login}"} if login and _is_private(realm) else {}
    found = asked(f"{realm}?{query}", headers).json()
    token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise _refused(wanted)
    return f"Bearer {token}"


def _is_private(url: str) -> bool:
    return urlsplit(url).scheme == "https" or urlsplit(url).hostname in _HERE


def _docker_config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _login(registry: str) -> str:
    """The user and password of a registry as `docker login` writes them, in base64; empty without any.

    Source: docker/cli, cli/config/configfile. The key is the host, or the address of the first version of the API.
    """
    try:
        found = json.loads(_docker_config().read_bytes())["auths"]
        hosts = {_HOST.sub("", key).partition("/")[0]: one["auth"] for key, one in found.items() if one.get("auth")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    login = hosts.get("index.docker.io" if registry == _HUB_SERVER else registry, "")
    return login if isinstance(login, str) and _BASE64.fullmatch(login) else ""
