"""The optional packages that a run imports, and the keys of the spec that require them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftc.spec.job import SOURCES
from ftc.spec.method import DeepSpeed
from ftc.spec.source import S3, S3Push
from ftc.trainer import pins, release
from ftc.trainer.arguments import set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.job import JobSpec


class Package(NamedTuple):
    """A package of pip and the key that requires it.

    `pinned` says that ftc can build it into an image, `trains` that only the container that trains imports it.
    """

    name: str
    key: KeyPath
    pinned: bool = True
    trains: bool = True


# Switches of LLaMA-Factory in the environment (launcher.py, extras/packages.py); each is also an argument.
_SWITCHES = {"USE_MCA": "mcore-adapter", "USE_KT": "kt-kernel"}
_ON = ("1", "true", "y")


def required(spec: JobSpec) -> Iterator[Package]:
    """The packages in addition to those that each image of LLaMA-Factory has."""
    yield from _of_storage(spec)
    if not spec.trains:
        return
    if isinstance(spec.engine, DeepSpeed):
        yield Package("deepspeed", ("engine",))
    yield from (Package(name, ("tracking", name)) for name in spec.tracking.names)
    yield from (Package(name, set_at(spec, argument)) for argument, name in pins.of_arguments(spec))
    for argument, name in pins.unpinned(spec).items():
        yield Package(name, set_at(spec, argument), pinned=False)
    if spec.method is not None and spec.method.quantize is not None:
        yield from (Package(name, ("method", "quantize"), pinned=False) for name in ("optimum", "gptqmodel"))
    yield from _of_checkpoint(spec)
    yield from _of_environment(spec)


# LLaMA-Factory, model/model_utils/quantization.py: the packages that load weights quantized by these methods.
_LOADERS = {"aqlm": "aqlm", "awq": "autoawq", "bnb": "bitsandbytes", "gptq": "gptqmodel"}


def _of_checkpoint(spec: JobSpec) -> Iterator[Package]:
    """The package that loads a checkpoint whose name says how it was quantized."""
    words = re.split(r"[^a-z0-9]+", spec.model.id.lower()) if spec.model is not None else []
    yield from (Package(_LOADERS[word], ("model", "id"), pinned=False) for word in words if word in _LOADERS)


def _of_storage(spec: JobSpec) -> Iterator[Package]:
    places: dict[KeyPath, object] = {SOURCES[name]: source for name, source in spec.sources.items()}
    for key, place in {**places, ("publish",): spec.publish}.items():
        if isinstance(place, S3 | S3Push):
            yield Package("minio", key, trains=False)


def _of_environment(spec: JobSpec) -> Iterator[Package]:
    pair = release.known(spec.trainer.llamafactory)
    arguments = release.arguments(pair)["train"] if pair is not None else ()
    for owner, variables in (("cluster",), spec.cluster.env), ((), spec.env):
        for name, package in _SWITCHES.items():
            if variables.get(name, "").lower() in _ON and name.lower() in arguments:
                yield Package(package, (*owner, "env", name), pinned=False)
