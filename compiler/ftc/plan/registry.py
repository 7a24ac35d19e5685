"""The registry that an image is pulled from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.patterns import lazily

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec

# The first component of a reference is a registry if it looks like a host (distribution/reference, normalize.go).
_HOST = lazily(r"(?:localhost|[^/]*[.:][^/]*)/")
_HUB = lazily(r"(?:index\.)?docker\.io/")


def pulled(spec: JobSpec) -> str:
    """The image of the run; the hardware's comes from the registry of the cluster."""
    return mirrored(spec.image, spec.cluster.registry) if spec.image == spec.hardware.image else spec.image


def mirrored(image: str, registry: str | None) -> str:
    """The same image in the registry, with its tag and digest."""
    if registry is None or image.startswith(f"{registry}/"):
        return image
    host = _HOST.match(image)
    path = image[host.end() :] if host else image
    is_official = (host is None or _HUB.fullmatch(host[0]) is not None) and "/" not in path
    return f"{registry}/library/{path}" if is_official else f"{registry}/{path}"
