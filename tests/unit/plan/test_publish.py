"""Where a result goes, and who gets the keys to it."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import ftc, pod, template, trainer, variables

TO_S3 = ("publish=s3", "publish.bucket=results", "publish.credentials.secret=bucket-keys")
TO_HUB = ("publish=huggingface", "publish.repository=team/tuned", "publish.token.secret=hub")
FROM_S3 = ("source@model.source=s3", "model.source.bucket=models", "model.source.credentials.secret=reader")


def secrets(container: Any) -> dict[str, tuple[str, str]]:
    """Variable to Secret and key."""
    refs = {v["name"]: v["valueFrom"].get("secretKeyRef") for v in container["env"] if "valueFrom" in v}
    return {name: (ref["name"], ref["key"]) for name, ref in refs.items() if ref}


def test_a_bucket_is_told_to_the_training_with_its_keys_from_the_secret() -> None:
    overrides = (*TO_S3, "publish.prefix=a/b", "publish.endpoint=https://s3.example.com", "publish.addressing=virtual")
    found = trainer(*overrides)
    wanted = {
        "S3_BUCKET": "results",
        "S3_PREFIX": "a/b",
        "S3_ENDPOINT": "https://s3.example.com",
        "S3_REGION": "us-east-1",
        "S3_ADDRESSING": "virtual",
        "REQUIRED_MODULES": "minio",
    }
    assert {name: variables(found).get(name) for name in wanted} == wanted
    assert secrets(found) == {
        "S3_ACCESS_KEY_ID": ("bucket-keys", "AWS_ACCESS_KEY_ID"),
        "S3_SECRET_ACCESS_KEY": ("bucket-keys", "AWS_SECRET_ACCESS_KEY"),
    }


def test_a_hub_is_told_to_the_training_with_a_token_of_its_own_name() -> None:
    found = trainer(*TO_HUB, "publish.branch=runs/a", "cluster.hub_endpoint=https://hub.example.com")
    wanted = {
        "PUBLISH_REPOSITORY": "team/tuned",
        "PUBLISH_BRANCH": "runs/a",
        "PUBLISH_ENDPOINT": "https://hub.example.com",
        "PUBLISH_PRIVATE": "true",
        "PUBLISH_MESSAGE": "Qwen/Qwen3-0.6B: lora sft on alpaca",
    }
    assert {name: variables(found).get(name) for name in wanted} == wanted
    assert secrets(found) == {"PUBLISH_TOKEN": ("hub", "token")}


def test_the_keys_of_source_and_sink_stay_apart() -> None:
    containers = pod(*FROM_S3, *TO_S3)
    found = {c["name"]: {secret for secret, _ in secrets(c).values()} for c in containers["initContainers"]}
    assert found == {"fetch-model": {"reader"}, "fetch-dataset": set()}
    assert {secret for secret, _ in secrets(containers["containers"][0]).values()} == {"bucket-keys"}


@pytest.mark.parametrize(("overrides", "script"), [(TO_S3, "minio"), (TO_HUB, "huggingface_hub")])
def test_the_pod_carries_the_one_script_that_publishes(overrides: tuple[str, ...], script: str) -> None:
    files = template(*overrides)["metadata"]["annotations"]
    assert script in files["ftc.dev/publish.py"]
    assert "ftc.dev/publish.sh" not in files
    assert "ftc.dev/git_credentials.sh" not in files


def test_nothing_published_carries_no_script_for_it() -> None:
    assert not {name for name in template()["metadata"]["annotations"] if "publish" in name}


@pytest.mark.parametrize("overrides", [TO_S3, FROM_S3])
def test_an_image_for_s3_has_its_client(overrides: tuple[str, ...]) -> None:
    image = ("-t", "image", "image=registry.example.com/team/image:1.0")
    assert "    minio==" in ftc("compile", *image, *overrides).stdout
    assert "minio" not in ftc("compile", *image).stdout


def test_a_script_asks_the_machine_for_the_keys_that_it_needs() -> None:
    said = ftc("compile", "-t", "script", *TO_HUB, "hardware=cpu").stdout
    assert 'die "export PUBLISH_TOKEN first: on the cluster it is the key token of the Secret hub"' in said
