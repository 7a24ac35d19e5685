"""Rules on images and on the versions that they contain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.steps import Step
from ftc.rules.given import containers
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


# distribution/reference, reference.go.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])"


_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"


_REFERENCE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?P<tag>:\w[\w.-]{0,127})?(?P<digest>@[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,})?",
    re.ASCII,
)


def _images(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    yield ("image",), spec.image
    for path, container in containers(spec):
        if "image" in container:
            yield (*path, "image"), container["image"]


def image_has_an_address(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image is named as registries name it.

    The API server takes any text; the kubelet says `InvalidImageName`, and the pod waits with its devices for ever
    (distribution/reference, reference.go).

    Wrong: image=https://registry.example.com/team/image:1.0
    Right: image=registry.example.com/team/image:1.0
    """
    for path, image in _images(spec):
        if not _REFERENCE.fullmatch(image):
            help_ = "write registry.example.com/team/image:1.0"
            help_ = "leave the scheme out" if "://" in image else help_
            help_ = "write the repository in lower case" if _REFERENCE.fullmatch(image.lower()) else help_
            yield Finding(path, f"'{image}' is no address of an image", help_)


def moves(image: str) -> bool:
    """Whether the address names what may be another image tomorrow."""
    found = _REFERENCE.fullmatch(image)
    return found is not None and not found["digest"] and found["tag"] in (None, ":latest")


def image_is_pinned(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image that you choose has a tag of its own, or a digest.

    `latest`, and no tag, is another image tomorrow: the nodes of a job and its restarts can hold different trainers,
    and the versions that arguments were checked against are no longer those of the image.

    Wrong: image=registry.example.com/team/image:latest
    Right: image=registry.example.com/team/image:1.0
    """
    for path, image in _images(spec):
        if image != spec.hardware.image and moves(image):
            yield Finding(path, f"'{image}' is another image tomorrow", "name a tag that stays, or a digest")


# The image that LLaMA-Factory publishes, or a mirror of it, is tagged with the release.
_PUBLISHED = re.compile(r"(?:.*/)?hiyouga/llamafactory:v?(?P<version>[0-9]+(?:\.[0-9]+)+)(?:[-@].*)?")


def image_holds_the_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`trainer.llamafactory` is the release in the image.

    Arguments, templates and versions are checked against `trainer`: those of another release may be refused by the
    trainer, or mean something else.

    Wrong: image=hiyouga/llamafactory:0.9.3
    Right: image=hiyouga/llamafactory:0.9.3 trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    published = _PUBLISHED.fullmatch(spec.image)
    if not spec.trains or published is None:
        return
    if published["version"] != spec.trainer.llamafactory:
        message = f"is {spec.trainer.llamafactory}, and the image is of {published['version']}"
        help_ = f"set trainer.llamafactory={published['version']} with its transformers, or another image"
        yield Finding(("trainer", "llamafactory"), message, help_)


_REQUIREMENT = re.compile(r"(?P<name>llamafactory|transformers)(?:\[[^]]*\])?(?P<pin>[=<>!~].*)?", re.IGNORECASE)


def setup_keeps_the_versions(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The setup leaves the trainer's versions as `trainer` says.

    What pip installs in the pod takes the place of what the image holds, and no check has seen it.

    Wrong: 'setup=[[pip,install,transformers]]'
    Right: 'setup=[[pip,install,"transformers==5.6.0"]]'
    """
    have = {"llamafactory": spec.trainer.llamafactory, "transformers": spec.trainer.transformers}
    for index, words in enumerate(spec.setup):
        for place, word in enumerate(words) if "install" in words else ():
            wanted = _REQUIREMENT.fullmatch(word)
            if wanted and wanted["pin"] != f"=={have[wanted['name'].lower()]}":
                name = wanted["name"].lower()
                message = f"may install another {name} than trainer.{name}, {have[name]}"
                yield Finding(("setup", index, place), message, f"write {name}=={have[name]}, or set trainer.{name}")


# Rules on manifests.


_COMPONENT_IN_MANIFESTS = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"


_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    rf"{_COMPONENT_IN_MANIFESTS}(?:/{_COMPONENT_IN_MANIFESTS})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{{32,}})?"
)


_SHOWN = 63


_LONGEST_IMAGE = 4096


def images_can_be_pulled(step: Step) -> Iterator[Finding]:
    """A container has an image, and its address is one.

    Without an image the API server refuses the pod; one that is not well formed stays in InvalidImageName.
    Source: Kubernetes, pkg/apis/core/validation; distribution's reference grammar.

    Wrong: tests/corpus/bad/FTC824-image-to-fill-in.yaml
    Right: tests/corpus/good/FTC824-image-by-digest.yaml
    """
    image = step.container.image
    if not image:
        if step.pod.raw(step.field, step.index, "image") in (None, ""):
            place = step.at("image") if step.pod.has(step.field, step.index, "image") else step.at()
            yield Finding(place, f"container '{step.container.name}' has no image")
    elif "$" not in image and (len(image) > _LONGEST_IMAGE or not _IMAGE.fullmatch(image)):
        shown = image if len(image) <= _SHOWN else f"{image[:_SHOWN]}…"
        yield Finding(step.at("image"), f"'{shown}' is no address of an image", "registry.example.com/team/image:1.0")


RULES = (
    Rule("FTC541", "invalid-image-reference", image_has_an_address, JobSpec),
    Rule("FTC542", "mutable-image-tag", image_is_pinned, JobSpec, Severity.WARNING),
    Rule("FTC543", "trainer-version-differs-from-image", image_holds_the_trainer, JobSpec, Severity.WARNING),
    Rule("FTC544", "setup-changes-trainer-versions", setup_keeps_the_versions, JobSpec, Severity.WARNING),
    Rule("FTC824", "image-cannot-be-pulled", images_can_be_pulled, Step),
)
