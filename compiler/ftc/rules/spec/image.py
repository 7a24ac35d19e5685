"""Rules on the packages of an image, and on the image that is built for a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.rules.given import containers
from ftc.rules.pod.images import is_mutable, published_release
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec, is_source
from ftc.trainer import pins, release
from ftc.trainer.arguments import set_at
from ftc.trainer.pins import Package, required

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def image_target_needs_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`-t image` needs a run that LLaMA-Factory trains.

    ftc cannot know what your own program needs. Use the image of its vendor, or your own Dockerfile.
    Source: ftc, whose Dockerfile installs LLaMA-Factory.

    Wrong: launcher=command 'launcher.command=[python,train.py]' image=registry.example.com/vendor:1.0
    Right: launcher=torchrun image=registry.example.com/team/llamafactory:0.9.5
    """
    if not spec.trains:
        message = "ftc cannot build an image for a command"
        yield Finding(
            ("launcher",), message, "leave -t image out, and name an image that contains the program (image=…)"
        )


def hardware_needs_base_image(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The hardware names the base image for builds.

    The driver's libraries, the vendor's PyTorch and the matching Python come from the vendor's image. PyTorch from PyPI
    does not find the devices (torch.cuda.is_available() is false, or `No module named 'torch_npu'`).
    Source: ftc, conf/hardware (build.base).

    Wrong: hardware.build=null
    Right: hardware=nvidia
    """
    if spec.hardware.build is None:
        message = "is null: this hardware needs a base image for builds"
        help_ = "set hardware.build.base=… and the keys next to it (see `ftc list build`), or use the vendor's image"
        yield Finding(("hardware", "build"), message, f"{help_} (image=…)")


def versions_without_pins(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The packages of an image are pinned for each pair of llamafactory and transformers.

    A Dockerfile that leaves versions to pip breaks when a package changes: LLaMA-Factory's main branch does not start
    with transformers 4.51.1 (`transformers>=4.55.0,<=5.6.0 is required`), and 0.9.3 with the current pyarrow gets an
    incompatible numpy.
    Source: LLaMA-Factory, extras/misc.py; ftc, conf/pins.

    Wrong: trainer.transformers=5.2.0
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    if not spec.trains or spec.trainer.pair in pins.pairs():
        return
    trainer = spec.trainer
    message = f"llamafactory {trainer.llamafactory} with transformers {trainer.transformers} is not pinned"
    known = ", ".join(name.replace("+", " with transformers ") for name in pins.pairs())
    yield Finding(("trainer",), message, f"use one of: {known}; or an image that contains your pair (image=…)")


def built_image_not_used(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The key `image` names the image that is built, so that the job runs it.

    The default is an image that others publish. Without `image` the job would run that one, and its registry refuses
    the push (`denied: requested access to the resource is denied`).
    Source: ftc, conf/hardware (image).

    Wrong: hardware=nvidia
    Right: hardware=nvidia image=registry.example.com/team/llamafactory:0.9.5
    """
    if spec.image == spec.hardware.image:
        message = f"{spec.image} is the default of the hardware, so the job would not run the built image"
        yield Finding(("image",), message, "name the built image: image=registry.example.com/team/llamafactory:…")


_ADD = "leave it out, or use `--ignore FTC414` and add the pinned package to the Dockerfile"


def package_without_pin(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Packages that the arguments require are pinned.

    LLaMA-Factory and transformers check for an optional package when the run starts: `PackageNotFoundError: … To fix:
    run `pip install liger-kernel``.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: train.enable_liger_kernel=true image=registry.example.com/team/llamafactory:0.9.5
    Right: train.enable_liger_kernel=false image=registry.example.com/team/llamafactory:0.9.5
    """
    if spec.method is not None and spec.method.quantize is not None:
        yield Finding(("method", "quantize"), "needs optimum and gptqmodel, which are not pinned", _ADD)
    for argument, package in pins.unpinned(spec).items():
        yield Finding(set_at(spec, argument), f"needs {package}, which is not pinned", _ADD)


def base_image_needs_version(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The base image has a version.

    A mutable tag such as `latest` changes silently: a month later the same Dockerfile gives another PyTorch for another
    driver, but the pins were chosen for the current one.
    Source: Kubernetes, Images (Image names).

    Wrong: hardware.build.base=python:latest image=registry.example.com/team/llamafactory:0.9.5
    Right: hardware.build.base=python:3.11-slim image=registry.example.com/team/llamafactory:0.9.5
    """
    build = spec.hardware.build
    if build is not None and is_mutable(build.base):
        help_ = "name a version, or a digest (…@sha256:…)"
        yield Finding(("hardware", "build", "base"), f"{build.base} is a mutable tag", help_)


def package_missing_from_image(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image contains the packages that the run imports.

    The published images of LLaMA-Factory have few optional packages. Without one of them the run ends in its first
    step, after it has waited for its devices: `Python's wandb is missing in this image`. ftc does not know what your
    own image contains.
    Source: LLaMA-Factory, docker/docker-cuda/Dockerfile and docker/docker-npu/Dockerfile; hparams/parser.py.

    Wrong: tracking=wandb tracking.wandb.token.secret=wandb
    Right: tracking=wandb tracking.wandb.token.secret=wandb 'setup=[[pip,install,wandb]]'
    """
    held = _packages_of(spec)
    if held is None:
        return
    missing: dict[KeyPath, list[Package]] = {}
    for package in required(spec):
        if package.name not in held and not (package.trains and _may_install(spec, package.name)):
            missing.setdefault(package.key, []).append(package)
    for key, packages in missing.items():
        names = list(dict.fromkeys(package.name for package in packages))
        message = f"needs {' and '.join(names)}, which {spec.image} does not contain"
        # The kind needs the package; the group itself would point at whatever override last set a key of it.
        path = (*key, "kind") if key in (("publish",), ("engine",)) or is_source(key) else key
        yield Finding(path, message, ", or ".join(_ways(packages, names)), (("image",),))


def _ways(packages: list[Package], names: list[str]) -> Iterator[str]:
    """The ways to get the packages: those that ftc pins can be built, and setup reaches only the training."""
    them = "it" if len(names) == 1 else "them"
    if all(package.pinned for package in packages):
        yield f"build an image that contains {them} {_BUILD}"
    else:
        yield f"use your own image that contains {' and '.join(names)}"
    if all(package.trains for package in packages):
        yield f"install {them} in each pod: 'setup=[[pip,install,{','.join(names)}]]'"


_BUILD = "(ftc compile -t image image=registry.example.com/team/llamafactory:…)"


def _packages_of(spec: JobSpec) -> tuple[str, ...] | None:
    """The optional packages in the image; None if the image is unknown, or a fragment replaces it."""
    published = published_release(spec.image)
    pair = release.known(published) if published is not None else None
    ours = ("train", "publish", *(f"fetch-{name}" for name in spec.sources))
    replaced = any("image" in container for _, container in containers(spec) if container["name"] in ours)
    return None if pair is None or replaced else release.facts(pair).image_packages


def _may_install(spec: JobSpec, package: str) -> bool:
    """Whether a setup command installs a package: it names the package, or ftc does not know what it does."""
    return any(_names(words, package) or not _installs_named(words) for words in spec.setup)


def _installs_named(words: tuple[str, ...]) -> bool:
    """Whether a command installs only packages that it names."""
    after = words[words.index("install") + 1 :] if "install" in words else ()
    return bool(after) and not any(word in _FILES or "/" in word for word in after)


_FILES = ("-r", "--requirement", "-e", "--editable")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _names(words: tuple[str, ...], package: str) -> bool:
    found = [match[0] for word in words if (match := _NAME.match(word))]
    return package in [re.sub(r"[-_.]+", "-", name).lower() for name in found]


RULES = (
    Rule("FTC410", "image-target-needs-trainer", image_target_needs_trainer, JobSpec, target="image", needed=True),
    Rule("FTC411", "hardware-needs-base-image", hardware_needs_base_image, JobSpec, target="image", needed=True),
    Rule("FTC412", "versions-without-pins", versions_without_pins, JobSpec, target="image", needed=True),
    Rule("FTC413", "built-image-not-used", built_image_not_used, JobSpec, Severity.WARNING, target="image"),
    Rule("FTC414", "package-without-pin", package_without_pin, JobSpec, target="image"),
    Rule("FTC415", "base-image-needs-version", base_image_needs_version, JobSpec, Severity.WARNING, target="image"),
    Rule("FTC416", "package-missing-from-image", package_missing_from_image, JobSpec, Severity.WARNING),
)
