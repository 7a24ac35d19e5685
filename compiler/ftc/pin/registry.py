"""The digest that a tag of an image is now, as its registry says (OCI Distribution Specification)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from ftc.pin.http import Answer, UnresolvedError, asked

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
_WHY = {403: "it refuses", 404: "the image does not exist"}


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
        why = _WHY.get(answer.status, "")
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
