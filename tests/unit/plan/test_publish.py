"""The destination of a result, and the containers that get its credentials."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import COMMAND, ftc, pod, template, trainer, variables
from unit.loading import load, load_all

TO_S3 = ("publish=s3", "publish.bucket=results", "publish.credentials.secret=bucket-keys")
TO_HUB = ("publish=huggingface", "publish.repository=team/tuned", "publish.token.secret=hub")
TO_GIT = ("publish=git", "publish.url=https://git.example.com/o", "publish.credentials.secret=push")
SINKS = (TO_GIT, TO_HUB, TO_S3)
BY_PATH = ("model=custom", "model.template=qwen3", *(f"source@{one}.source=path" for one in ("model", "dataset")))
BY_PATH = (*BY_PATH, "model.source.path=/workspace/m", "dataset.source.path=/workspace/d")
FROM_S3 = ("source@model.source=s3", "model.source.bucket=models", "model.source.credentials.secret=reader")


def secrets(container: Any) -> dict[str, tuple[str, str]]:
    """Variable to Secret and key."""
    refs = {v["name"]: v["valueFrom"].get("secretKeyRef") for v in container["env"] if "valueFrom" in v}
    return {name: (ref["name"], ref["key"]) for name, ref in refs.items() if ref}


def publisher(*overrides: str) -> Any:
    """The container that publishes."""
    (found,) = [container for container in pod(*overrides)["containers"] if container["name"] == "publish"]
    return found


def test_a_bucket_is_named_to_the_publishing_with_its_keys_from_the_secret() -> None:
    overrides = (*TO_S3, "publish.prefix=a/b", "publish.endpoint=https://s3.example.com", "publish.addressing=virtual")
    found = publisher(*overrides)
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


def test_a_hub_is_named_to_the_publishing_with_a_token_under_a_name_that_no_client_reads() -> None:
    found = publisher(*TO_HUB, "publish.branch=runs/a", "cluster.hub_endpoint=https://hub.example.com")
    wanted = {
        "PUBLISH_REPOSITORY": "team/tuned",
        "PUBLISH_BRANCH": "runs/a",
        "PUBLISH_ENDPOINT": "https://hub.example.com",
        "PUBLISH_PRIVATE": "true",
        "PUBLISH_MESSAGE": "Qwen/Qwen3-0.6B: lora sft on alpaca",
    }
    assert {name: variables(found).get(name) for name in wanted} == wanted
    assert secrets(found) == {"PUBLISH_TOKEN": ("hub", "token")}


def card(*overrides: str) -> Any:
    """The front matter of README.md."""
    return load(variables(publisher(*overrides))["PUBLISH_CARD"].replace("$$", "$"))  # as the kubelet does


@pytest.mark.parametrize("sink", SINKS, ids=["git", "hub", "s3"])
def test_the_front_matter_says_what_a_platform_asks_for(sink: tuple[str, ...]) -> None:
    assert card(*sink, "dataset.id=tatsu-lab/alpaca") == {
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "license": "apache-2.0",
        "base_model": "Qwen/Qwen3-0.6B",
        "datasets": ["tatsu-lab/alpaca"],
    }


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (("method.merge=null",), "library_name", "peft"),
        (("method=full-sft",), "library_name", "transformers"),
        (("method=lora-rm", "dataset=dpo-mix-en"), "pipeline_tag", "text-classification"),
        (("model=qwen2.5-vl-7b-instruct", "dataset=llava-1k-en"), "pipeline_tag", "image-text-to-text"),
        (("model.license=null",), "license", None),
    ],
)
def test_the_front_matter_follows_the_method_and_the_model(
    overrides: tuple[str, ...], key: str, value: str | None
) -> None:
    assert card(*TO_GIT, *overrides).get(key) == value


def test_names_that_yaml_would_misread_are_in_the_front_matter_as_they_are() -> None:
    odd = "a: [b] # 'c' \"d\" $(id) $HOME `e` 模型"
    found = card(*TO_GIT, *BY_PATH, "model.id='" + odd.replace("'", "\\'") + "'", "dataset.id='yes'")
    assert (found["base_model"], found["datasets"]) == (odd, ["yes"])


def test_a_hub_does_not_get_a_name_that_it_refuses() -> None:
    found = card(*TO_HUB, *BY_PATH, "model.id='our model'", "dataset.id='a/b/c'")
    assert not {"base_model", "datasets"} & set(found)


def test_the_keys_of_source_and_sink_stay_apart() -> None:
    containers = pod(*FROM_S3, *TO_S3)
    found = {c["name"]: {secret for secret, _ in secrets(c).values()} for c in containers["initContainers"]}
    assert found == {"fetch-model": {"reader"}, "fetch-dataset": set()}
    train, publish = containers["containers"]
    assert secrets(train) == {}
    assert {secret for secret, _ in secrets(publish).values()} == {"bucket-keys"}


@pytest.mark.parametrize(("overrides", "script"), [(TO_S3, "publish_s3.py"), (TO_HUB, "publish_hub.py")])
def test_the_pod_carries_the_one_script_that_publishes(overrides: tuple[str, ...], script: str) -> None:
    files = {name for name in template(*overrides)["metadata"]["annotations"] if "publish" in name or "git" in name}
    assert files == {f"ftc.dev/{script}", "ftc.dev/publish.sh"}


def test_nothing_published_carries_no_script_for_it() -> None:
    assert not {name for name in template()["metadata"]["annotations"] if "publish" in name}


@pytest.mark.parametrize("overrides", [TO_S3, FROM_S3])
def test_an_image_for_s3_has_its_client(overrides: tuple[str, ...]) -> None:
    image = ("-t", "image", "image=registry.example.com/team/image:1.0")
    assert "    minio==" in ftc("compile", *image, *overrides).stdout
    assert "minio" not in ftc("compile", *image).stdout


def test_a_script_asks_the_machine_for_the_keys_that_it_needs() -> None:
    said = ftc("compile", "-t", "script", *TO_HUB, "hardware=cpu").stdout
    assert 'die "export PUBLISH_TOKEN first: on the cluster it comes from key token of Secret hub"' in said


@pytest.mark.parametrize("sink", SINKS, ids=["git", "hub", "s3"])
@pytest.mark.parametrize("target", ["volcano", "job"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_no_container_but_the_publishing_one_has_its_credentials_and_destination(
    sink: tuple[str, ...], target: str, nodes: int
) -> None:
    documents = load_all(ftc("compile", "-t", target, *sink, f"nodes={nodes}").stdout)
    (job,) = [each["spec"] for each in documents if each["kind"] == "Job"]
    body = (job["tasks"][0]["template"] if target == "volcano" else job["template"])["spec"]
    (publish,) = [each for each in body["containers"] if each["name"] == "publish"]
    assert secrets(publish)
    for container in (*body["initContainers"], *body["containers"]):
        if container["name"] != "publish":
            given = {variable["name"] for variable in container["env"]}
            assert secrets(container) == {}
            assert not [name for name in given if name.startswith(("PUBLISH_", "S3_", "GIT_"))]


def test_the_publishing_writes_to_its_own_home_alone_and_asks_for_no_device() -> None:
    body = pod(*TO_GIT, "hardware=h100", "storage=shared", "storage.model_in_memory_gib=1", "env.A=b")
    train, publish = body["containers"]
    writable = {mount["mountPath"] for mount in publish["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/etc/ftc", "/home/ftc"}  # the first is a projection, which is read-only
    assert {mount["mountPath"] for mount in publish["volumeMounts"]} - writable == {"/workspace", "/run/ftc-lock"}
    (home,) = [mount for mount in publish["volumeMounts"] if mount["mountPath"] == "/home/ftc"]
    assert home["subPath"] == "publish"
    assert not [mount for mount in train["volumeMounts"] if mount["name"] == home["name"]]
    assert [mount for mount in train["volumeMounts"] if mount["mountPath"] == "/run/ftc-lock"]
    given = variables(publish)
    assert (given["HOME"], given["TMPDIR"]) == ("/home/ftc", "/home/ftc")
    assert "A" not in given
    resources = publish["resources"]
    assert resources["limits"] == resources["requests"] == {"cpu": "2", "memory": "4Gi"}


def test_the_lock_is_seen_by_the_training_and_the_publishing_only() -> None:
    body = pod(*TO_GIT, "nodes=2")
    seen = [
        container["name"]
        for container in (*body["initContainers"], *body["containers"])
        if any(mount["name"] == "ftc-lock" for mount in container["volumeMounts"])
    ]
    assert seen == ["train", "publish"]
    assert body["containers"][0]["command"][:2] == ["bash", "/etc/ftc/hold_lock.sh"]


@pytest.mark.parametrize("overrides", [(), COMMAND])
def test_a_run_that_publishes_nothing_has_one_container_and_no_lock(overrides: tuple[str, ...]) -> None:
    body = pod(*overrides)
    assert [container["name"] for container in body["containers"]] == ["train"]
    assert not {volume["name"] for volume in body["volumes"]} & {"ftc-lock", "ftc-home"}
    assert "hold_lock.sh" not in str(body["containers"][0])


def test_publishing_mounts_the_claim_of_a_batch_job_read_only() -> None:
    said = ftc("compile", "-t", "job", *TO_GIT, "storage=job-lifetime").stdout
    body = load(said)["spec"]["template"]["spec"]
    mounts = {c["name"]: m for c in body["containers"] for m in c["volumeMounts"] if m["name"] == "workspace"}
    assert "readOnly" not in mounts["train"]
    assert mounts["publish"]["readOnly"] is True


def required(container: Any) -> tuple[list[str], list[str]]:
    """The tools and modules that a container looks for."""
    found = variables(container)
    return found.get("REQUIRED_TOOLS", "").split(), found.get("REQUIRED_MODULES", "").split()


def test_what_publishing_needs_of_the_image_is_looked_for_before_any_download() -> None:
    first = pod(*TO_GIT)["initContainers"][0]
    assert set(required(first)[0]) >= set(required(publisher(*TO_GIT))[0]) == {"flock", "git", "git-lfs", "python3"}
    setup = "setup=[[pip,install,minio]]"  # it runs in another container, so it does not help
    assert "minio" in required(pod(*TO_S3, setup)["initContainers"][0])[1]


def test_the_training_requires_only_what_it_uses() -> None:
    for sink in (TO_GIT, TO_HUB, TO_S3):
        assert required(trainer(*sink)) == (["flock", "llamafactory-cli"], [])


def test_the_training_looks_for_what_publishing_needs_if_nothing_is_downloaded_before_it() -> None:
    hub = ("source@model.source=huggingface-direct", "source@dataset.source=huggingface-direct")
    by_trainer = (*hub, "dataset.info.alpaca={hf_hub_url: tatsu-lab/alpaca}", *TO_S3)
    assert "initContainers" not in pod(*by_trainer)
    assert required(trainer(*by_trainer)) == (["flock", "llamafactory-cli"], ["minio"])
    after_setup = required(trainer(*by_trainer, "setup=[[pip,install,mlflow]]"))
    assert after_setup == (["flock", "llamafactory-cli"], ["minio"])


def test_publishing_in_another_image_is_not_judged_by_the_first_one() -> None:
    own = "pod.spec.containers=[{name: publish, image: registry.example.com/push:1}]"
    assert "minio" not in required(pod(*TO_S3, own)["initContainers"][0])[1]


@pytest.mark.parametrize("sink", SINKS, ids=["git", "hub", "s3"])
def test_the_tools_have_one_order_in_all_containers(sink: tuple[str, ...]) -> None:
    body = pod(*sink)
    for container in (*body["initContainers"], *body["containers"]):
        assert required(container)[0] == sorted(required(container)[0])


def test_a_script_gives_the_credentials_to_the_step_that_publishes_alone() -> None:
    said = ftc("compile", "-t", "script", *TO_GIT, "hardware=cpu", "source@model.source=path", "model.source.path=/m")
    steps = said.stdout.split("  run_step env")[1:]
    without = [step for step in steps if step.startswith(" -u GIT_TOKEN -u GIT_USER ")]
    assert len(without) == len(steps) - 1
    assert "files/publish.sh" in steps[-1]
    assert "LOCK_DIR" not in said.stdout.partition("write_files() {")[0]


def test_the_check_of_the_chat_template_runs_where_the_training_ran_and_can_stop_the_publishing() -> None:
    train, publish = pod(*TO_GIT, "chat_template_check=fail", "chat_template_write=true")["containers"]
    assert variables(train)["CHAT_TEMPLATE_CHECK"] == variables(publish)["CHAT_TEMPLATE_CHECK"] == "fail"
    assert variables(train)["CHAT_TEMPLATE_WRITE"] == "true"
    train, publish = pod(*TO_GIT, "chat_template_check=warn")["containers"]
    assert variables(train)["CHAT_TEMPLATE_CHECK"] == "warn"
    assert not {"CHAT_TEMPLATE_CHECK", "CHAT_TEMPLATE_WRITE"} & set(variables(publish))
    assert "ftc.dev/check_chat_template.py" in template("chat_template_check=warn")["metadata"]["annotations"]
    assert "ftc.dev/check_chat_template.py" not in template()["metadata"]["annotations"]
