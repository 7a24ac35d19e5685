"""The digest that a tag of an image is now, as its registry says (OCI Distribution Specification)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from ftc.pin.http import Answer, UnresolvedError, asked

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HUB = "docker.io"
_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join(_MEDIA_TYPES)}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_WHY = {401: "it needs credentials, and ftc asks without any", 403: "it refuses", 404: "the image does not exist"}


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
        return Image(
            "registry-1.docker.io", repository if "/" in repository else f"library/{repository}", tag or "latest"
        )
    return Image(host, repository, tag or "latest")


def digest(reference: str) -> str:
    """The digest of a tag; raises UnresolvedError if the registry does not give one."""
    wanted = image(reference)
    scheme = "http" if urlsplit(f"//{wanted.registry}").hostname in ("localhost", "127.0.0.1", "::1") else "https"
    url = f"{scheme}://{wanted.registry}/v2/{wanted.repository}/manifests/{wanted.tag}"
    answer = asked(url, _ACCEPT, "HEAD")
    if answer.status == 401:  # noqa: PLR2004 - Unauthorized
        answer = asked(url, {**_ACCEPT, "Authorization": f"Bearer {_token(answer, wanted, scheme)}"}, "HEAD")
    if answer.status != 200:  # noqa: PLR2004 - OK
        why = _WHY.get(answer.status, "")
        raise UnresolvedError(f"{wanted.registry} answers {answer.status}{f': {why}' if why else ''}")
    found = answer.headers["Docker-Content-Digest"] or ""
    if not DIGEST.fullmatch(found):
        raise UnresolvedError(f"{wanted.registry} does not give a digest of {wanted.repository}:{wanted.tag}")
    return found


def _token(refusal: Answer, wanted: Image, scheme: str) -> str:
    """The token with which anyone may pull, from the server that the registry names."""
    given = dict(_PARAMETER.findall(refusal.headers["WWW-Authenticate"] or ""))
    realm = given.get("realm", "")
    try:
        is_web = urlsplit(realm).scheme in ("https", scheme)
    except ValueError:  # an address that is malformed
        is_web = False
    if not is_web:
        raise UnresolvedError(f"{wanted.registry} answers 401: {_WHY[401]}")
    query = urlencode({"service": given.get("service", ""), "scope": f"repository:{wanted.repository}:pull"})
    found = asked(f"{realm}?{query}", {}).json()
    token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise UnresolvedError(f"{wanted.registry} answers 401: {_WHY[401]}")
    return token
