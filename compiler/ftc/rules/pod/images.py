"""Rules on images and on the versions that they contain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.steps import Step
from ftc.patterns import lazily
from ftc.rules.given import containers
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer.release import contained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


# distribution/reference, reference.go.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])"


_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"


_REFERENCE = lazily(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?P<tag>:\w[\w.-]{0,127})?(?P<digest>@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?",
    re.ASCII,
)


def _images(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    yield ("image",), spec.image
    for path, container in containers(spec):
        if "image" in container:
            yield (*path, "image"), container["image"]


def image_reference_is_valid(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image reference is valid.

    The API server accepts any text, but the kubelet reports `InvalidImageName`, and the pod waits forever with its
    devices.
    Source: distribution/reference, reference.go.

    Wrong: image=https://registry.example.com/team/image:1.0
    Right: image=registry.example.com/team/image:1.0
    """
    for path, image in _images(spec):
        if not _REFERENCE.fullmatch(image):
            yield Finding(path, *_invalid(image))


_SHOWN = 63


def _invalid(image: str) -> tuple[str, str]:
    help_ = "write registry.example.com/team/image:1.0"
    help_ = "remove the scheme" if "://" in image else help_
    help_ = "write the repository in lower case" if _REFERENCE.fullmatch(image.lower()) else help_
    shown = image if len(image) <= _SHOWN else f"{image[:_SHOWN]}…"
    return f"'{shown}' is not a valid image reference", help_


def is_mutable(image: str) -> bool:
    """Whether the reference can point to another image later: the tag is `latest` or missing."""
    found = _REFERENCE.fullmatch(image)
    return found is not None and not found["digest"] and found["tag"] in (None, ":latest")


def image_is_pinned(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image has a fixed tag or a digest.

    `latest`, or a reference without a tag, may point to another image later. The nodes of a job and its restarts can
    then run different trainers, in other versions than those that ftc checked the arguments against.
    Source: Kubernetes, Images.

    Wrong: image=registry.example.com/team/image:latest
    Right: image=registry.example.com/team/image:1.0
    """
    for path, image in _images(spec):
        if image != spec.hardware.image and is_mutable(image):
            help_ = "use a fixed tag or a digest"
            help_ = f"{help_}, which `ftc pin` writes" if path == ("image",) else help_
            yield Finding(path, f"'{image}' has a mutable tag", help_)


# LLaMA-Factory tags its published image, and its mirrors, with the release.
_PUBLISHED = lazily(r"(?:.*/)?hiyouga/llamafactory:v?(?P<version>[0-9]+(?:\.[0-9]+)+)(?:[-@].*)?")


def published_release(image: str) -> str | None:
    """The release of LLaMA-Factory in its published image; None for any other image."""
    published = _PUBLISHED.fullmatch(image)
    return published["version"] if published else None


def image_has_the_trainer_version(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`trainer.llamafactory` matches the release in the image.

    ftc checks arguments, templates and versions against `trainer`. Another release may reject the arguments, or
    interpret them differently.
    Source: LLaMA-Factory, the tags of hiyouga/llamafactory on Docker Hub.

    Wrong: image=hiyouga/llamafactory:0.9.3
    Right: image=hiyouga/llamafactory:0.9.3 trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    published, known = published_release(spec.image), contained(spec.image)
    if not spec.trains:
        return
    if known is not None:
        for name, version in msgspec.structs.asdict(known).items():
            if version != getattr(spec.trainer, name):
                message = f"is {getattr(spec.trainer, name)}, but the image has {version}"
                yield Finding(("trainer", name), message, f"set trainer.{name}={version}, or use another image")
    elif published not in (None, spec.trainer.llamafactory):
        message = f"is {spec.trainer.llamafactory}, but the image has {published}"
        help_ = f"set trainer.llamafactory={published} and its transformers, or use another image"
        yield Finding(("trainer", "llamafactory"), message, help_)


_REQUIREMENT = lazily(r"(?P<name>llamafactory|transformers)(?:\[[^]]*\])?(?P<pin>[=<>!~].*)?", re.IGNORECASE)


def setup_keeps_trainer_versions(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The setup does not change the versions that `trainer` names.

    A package that pip installs in the pod replaces the one in the image, and ftc has not checked the run against it.
    Source: ftc, which checks the arguments against `trainer`.

    Wrong: 'setup=[[pip,install,transformers]]'
    Right: 'setup=[[pip,install,"transformers==5.6.0"]]'
    """
    have = {"llamafactory": spec.trainer.llamafactory, "transformers": spec.trainer.transformers}
    for index, words in enumerate(spec.setup):
        for place, word in enumerate(words) if "install" in words else ():
            wanted = _REQUIREMENT.fullmatch(word)
            if wanted and wanted["pin"] != f"=={have[wanted['name'].lower()]}":
                name = wanted["name"].lower()
                message = f"may replace {name} {have[name]}, the version in trainer.{name}"
                yield Finding(("setup", index, place), message, f"write {name}=={have[name]}, or set trainer.{name}")


# Rules on manifests.


_LONGEST_IMAGE = 4096


def image_reference_is_valid_in_manifests(step: Step) -> Iterator[Finding]:
    """The image reference of a container is valid."""
    image = step.container.image
    if image and "$" not in image and (len(image) > _LONGEST_IMAGE or not _REFERENCE.fullmatch(image)):
        yield Finding(step.at("image"), *_invalid(image))


REFERENCE = Rule(
    "FTC541",
    "invalid-image-reference",
    image_reference_is_valid,
    JobSpec,
    in_manifests=(image_reference_is_valid_in_manifests, Step),
)
RULES = (
    REFERENCE,
    Rule("FTC542", "mutable-image-tag", image_is_pinned, JobSpec, Severity.WARNING),
    Rule("FTC543", "trainer-version-differs-from-image", image_has_the_trainer_version, JobSpec, Severity.WARNING),
    Rule("FTC544", "setup-changes-trainer-versions", setup_keeps_trainer_versions, JobSpec, Severity.WARNING),
)
