"""The images that ftc chooses come from the registry of the cluster, with their tags and digests."""

from __future__ import annotations

import pytest

from ftc.plan.registry import mirrored
from unit.compiling import errors, ftc, pod

DIGEST = f"sha256:{'0a' * 32}"
MIRROR = "harbor.example.com:8443/hub"


@pytest.mark.parametrize(
    ("image", "copy"),
    [
        ("hiyouga/llamafactory:0.9.5", "hiyouga/llamafactory:0.9.5"),
        ("docker.io/hiyouga/llamafactory:0.9.5", "hiyouga/llamafactory:0.9.5"),
        ("nvcr.io/nvidia/pytorch:24.12-py3", "nvidia/pytorch:24.12-py3"),
        ("image.example.cn:5000/dcu/base:1", "dcu/base:1"),
        ("localhost/a:1", "a:1"),
        ("quay.io/a:1", "a:1"),
        ("python:3.11-slim", "library/python:3.11-slim"),
        ("docker.io/python", "library/python"),
        (f"a/b@{DIGEST}", f"a/b@{DIGEST}"),
        (f"a/b:1@{DIGEST}", f"a/b:1@{DIGEST}"),
        (f"{MIRROR}/a/b:1", "a/b:1"),
    ],
)
def test_the_registry_replaces_the_one_in_the_name(image: str, copy: str) -> None:
    assert mirrored(image, MIRROR) == f"{MIRROR}/{copy}"
    assert mirrored(image, None) == image


def _images(*overrides: str) -> set[str]:
    body = pod(*overrides)
    return {container["image"] for container in (*body["initContainers"], *body["containers"])}


def test_the_image_of_the_hardware_comes_from_the_registry() -> None:
    assert _images(f"cluster.registry={MIRROR}") == {f"{MIRROR}/hiyouga/llamafactory:0.9.5"}
    digest = f"hardware.image=hiyouga/llamafactory@{DIGEST}"
    assert _images(f"cluster.registry={MIRROR}", digest) == {f"{MIRROR}/hiyouga/llamafactory@{DIGEST}"}


@pytest.mark.parametrize(
    "image", [f"team/trainer@{DIGEST}", f"registry.example.com/team/trainer:1@{DIGEST}", "docker.io/team/trainer:1"]
)
def test_an_image_of_the_user_is_used_as_written(image: str) -> None:
    assert _images(f"cluster.registry={MIRROR}", f"image={image}") == {image}


def test_an_image_of_a_fragment_is_used_as_written() -> None:
    sidecar = "pod={spec: {initContainers: [{name: extra, image: 'team/extra:1', restartPolicy: Always}]}}"
    assert "team/extra:1" in _images(f"cluster.registry={MIRROR}", sidecar)


def test_the_base_of_a_built_image_comes_from_the_registry() -> None:
    chosen = (f"cluster.registry={MIRROR}", "image=registry.example.com/team/trainer:1", "hardware=cpu")
    written = ftc("compile", "-t", "image", *chosen).stdout
    (base,) = [line for line in written.splitlines() if line.startswith("FROM ")]
    assert base.startswith(f"FROM {MIRROR}/")
    assert "image=registry.example.com/team/trainer:1" in written


@pytest.mark.parametrize(
    "value", ["mirror", "mirror/hub", "https://harbor.example.com", "harbor.example.com/", "a.b:x"]
)
def test_a_registry_is_a_host(value: str) -> None:
    assert [line for line in errors(f"cluster.registry={value}") if "cluster.registry" in line]
