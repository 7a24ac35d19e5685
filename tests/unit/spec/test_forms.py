"""The strings that the spec accepts: each row follows git, Kubernetes or the grammar of URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from unit.compiling import compiled, conf, errors, ftc, refused

if TYPE_CHECKING:
    from pathlib import Path

LONG = "a" * 300
GIT = ("source@model.source=git", "model.source.url=https://git.example.com/m")
HUB = ("source@model.source=huggingface",)


# git check-ref-format(1), gitrevisions(7), and the form of a refspec in git-fetch(1)
@pytest.mark.parametrize("source", [GIT, HUB, ("source@model.source=modelscope",), ("source@model.source=path",)])
@pytest.mark.parametrize(
    "revision",
    [
        *(":", "main:other", "+main", "-q", "--upload-pack=x", "refs/heads/*", "v?", "a[b]", "a..b", "main@{1}", "@"),
        *("a b", "a~1", "a^", "^a", "a\\\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b"),
    ],
)
def test_a_refspec_or_an_expression_is_not_a_revision(source: tuple[str, ...], revision: str) -> None:
    quoted = f"model.source.revision='{revision}'"
    place = ("model.source.path=/models/a",) if "path" in source[0] else ()
    assert "model.source.revision: is" in refused(*source, *place, quoted)


@pytest.mark.parametrize(
    "revision",
    ["main", "v1.0", "refs/pr/1", "refs/heads/feature/x", "a@b", "0" * 40, "release-1.0+build", "名"],
)
def test_a_ref_or_a_commit_is_a_revision(revision: str) -> None:
    for source in (GIT, HUB):
        assert compiled(*source, f"model.source.revision='{revision}'").spec


# RFC 3986 (userinfo, percent-encoding; a scheme in any case); git-fetch(1), GIT URLS
LOGINS = (
    *("https://TOKEN1234@h.example/m", "Https://TOKEN1234@h.example/m", "HTTP://u:TOKEN1234@h.example/m"),
    *("git://TOKEN1234@h.example/m", "ssh://u:TOKEN1234@h.example/m", "u:TOKEN1234@h.example:m"),
    *("https://u%3ATOKEN1234@h.example/m", "https://TOKEN1234%40h.example/m", "https://u:TOKEN1234\uff20h.example/m"),
    *("https://u:TOKEN1234@[::1]:80/m", "ftp://u:TOKEN1234@h.example/m", "https://:TOKEN1234@h.example"),
)
URLS = (
    ("model.source.url", GIT),
    ("publish.url", ("publish=git",)),
    ("model.source.endpoint", HUB),
    ("cluster.hub_endpoint", ()),
    ("cluster.mlflow_uri", ()),
    ("tracking.mlflow.uri", ("tracking=mlflow",)),
    ("tracking.wandb.base_url", ("tracking=wandb",)),
    ("tracking.swanlab.api_host", ("tracking=swanlab",)),
    ("model.source.endpoint", ("source@model.source=s3", "model.source.bucket=models")),
    ("hardware.build.torch_index", ("hardware=nvidia",)),
)


@pytest.mark.parametrize(("key", "others"), URLS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("url", LOGINS)
def test_a_url_has_no_login_in_it_and_none_is_printed(key: str, others: tuple[str, ...], url: str) -> None:
    said = ftc("compile", *others, f"{key}='{url}'")
    assert said.exit_code == 1
    assert f"error[FTC012 invalid-value]: {key}:" in said.stderr
    if "\uff20" not in url:
        assert "TOKEN1234" not in said.stderr


# RFC 6335: ports have 16 bits. WHATWG URL: a backslash is a path separator there, but not in RFC 3986.
@pytest.mark.parametrize(("key", "others"), URLS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("url", ["https://h.example:65536/m", "https://h.example:99999", "https://h.example/a\\\\b"])
def test_a_url_has_a_port_of_16_bits_and_no_backslash(key: str, others: tuple[str, ...], url: str) -> None:
    assert f"error[FTC012 invalid-value]: {key}:" in refused(*others, f"{key}='{url}'")


@pytest.mark.parametrize(("key", "others"), URLS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("port", [1, 443, 9999, 59999, 64999, 65535])
def test_each_port_of_16_bits_is_taken(key: str, others: tuple[str, ...], port: int) -> None:
    said = ftc("compile", *others, f"{key}='https://h.example:{port}'").stderr
    assert re.search(rf"error\[[^]]*\]: {re.escape(key)}:", said) is None


@pytest.mark.parametrize("kind", ["huggingface", "modelscope", "huggingface-direct"])
@pytest.mark.parametrize(
    "repository",
    [
        *("https://TOKEN1234@hub.example/a/b", "u:TOKEN1234@hub.example/a/b"),
        *("https://hub.example/a/b?private_token=TOKEN1234", "https://hub.example/a/b", "a/b/c", "/a/b", "../b", "a b"),
        *("hub.example/a/b", "a/b@main", "-a/b", "a/b\\\\c"),
    ],
)
def test_a_repository_of_a_hub_is_an_owner_and_a_name(kind: str, repository: str) -> None:
    said = ftc("compile", f"source@model.source={kind}", f"model.source.repository='{repository}'")
    assert said.exit_code == 1
    assert "error[FTC012 invalid-value]: model.source.repository:" in said.stderr
    assert "owner/name" in said.stderr
    assert "TOKEN1234" not in said.stderr


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
@pytest.mark.parametrize("repository", ["Qwen/Qwen3-0.6B", "gpt2", "_me/a_b.c-d", "iic/nlp_gpt3"])
def test_the_name_of_a_repository_is_taken(kind: str, repository: str) -> None:
    assert compiled(f"source@model.source={kind}", f"model.source.repository={repository}").spec


@pytest.mark.parametrize(
    ("key", "others", "url"),
    [
        ("model.source.url", GIT, "https://git.example.com:8443/team/@scope/m.git"),
        ("model.source.url", GIT, "git@git.example.com:team/m.git"),
        ("model.source.url", GIT, "ssh://git@git.example.com/team/m.git"),
        ("model.source.url", GIT, "git://git.example.com/m"),
        ("model.source.url", GIT, "http://[2001:db8::1]:8080/m"),
        ("model.source.url", GIT, "file:///srv/m.git"),
        ("model.source.url", GIT, "/srv/m.git"),
        ("model.source.endpoint", HUB, "https://hub.example.com/a@b?c=d@e"),
        ("cluster.mlflow_uri", (), "https://mlflow.example.com:5000"),
        ("cluster.mlflow_uri", (), "databricks://profile"),
    ],
)
def test_a_url_without_a_login_is_taken(key: str, others: tuple[str, ...], url: str) -> None:
    assert compiled(*others, f"{key}='{url}'").spec


# Kubernetes: IsExtendedResourceName, IsConfigMapKey, IsDNS1123Label; Volcano's CRD for the scheduler; resource.Quantity
@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("hardware.device.resource=requests.a.b/c", "hardware.device.resource"),
        ("hardware.device.resource=kubernetes.io/c", "hardware.device.resource"),
        ("hardware.device.resource=xkubernetes.io/c", "hardware.device.resource"),
        (f"hardware.device.resource={'a' * 245}/c", "hardware.device.resource"),
        (f"hardware.device.resource={'a' * 253}/c", "hardware.device.resource"),
        ("cluster.git_credentials={secret: s, username_key: ..}", "cluster.git_credentials.username_key"),
        ("cluster.git_credentials={secret: s, username_key: .}", "cluster.git_credentials.username_key"),
        ("cluster.git_credentials={secret: s, username_key: ..a}", "cluster.git_credentials.username_key"),
        (f"cluster.ca_bundle={{config_map: c, key: {LONG}}}", "cluster.ca_bundle.key"),
        (f"cluster.scheduler={'a' * 64}", "cluster.scheduler"),
        (f"storage.more.{'a' * 59}={{kind: per-pod, mount_path: /m, size: 1Gi}}", "storage.more"),
        *(
            (f"storage.more.a={{kind: per-pod, mount_path: /m, size: '{size}'}}", "storage.more.a.size")
            for size in ("0", "0Gi", "0.0", "000", "0m")
        ),
    ],
)
def test_what_the_server_refuses_is_refused(override: str, key: str) -> None:
    told = errors(override)
    assert any(f"]: {key}" in line for line in told), told


@pytest.mark.parametrize(
    "override",
    [
        f"hardware.device.resource={'a' * 244}/c",
        "cluster.git_credentials={secret: s, username_key: .a}",
        f"cluster.scheduler={'a' * 63}",
        f"storage.more.{'a' * 58}={{kind: per-pod, mount_path: /m, size: 1.5Gi}}",
    ],
)
def test_what_the_server_takes_is_taken(override: str) -> None:
    assert compiled(override).outputs


NUL_AND_OTHERS = (
    'env: {A: "a\\0b"}',
    'env: {"A\\0": b}',
    'setup: [[a, "a\\0b"]]',
    'model: {source: {revision: "a\\0b"}}',
    'model: {source: {kind: git, url: "https://x/\\0"}}',
    'cluster: {env: {A: "a\\0b"}}',
    'annotations: {a: "a\\0b"}',
    'train: {run_name: "a\\0b"}',
    'launcher: {kind: command, command: [a], args: ["a\\0b"]}',
    'pod: {metadata: {annotations: {a: "\\0"}}}',
    'pod: {spec: {containers: [{name: train, env: [{name: A, value: "a\\0b"}]}]}}',
    'dataset: {info: {alpaca: {file_name: "a\\0.json"}}}',
    "train: {learning_rate: .nan}",
    "train: {learning_rate: .inf}",
    "train: {max_grad_norm: -.inf}",
    "train: {lr_scheduler_kwargs: {min_lr: .nan}}",
    "pod: {spec: {terminationGracePeriodSeconds: .inf}}",
    "engine: {kind: deepspeed, stage: 2, config: {a: .nan}}",
)


@pytest.mark.parametrize("text", NUL_AND_OTHERS)
def test_values_that_no_manifest_can_contain_are_rejected_at_their_position(tmp_path: Path, text: str) -> None:
    directory = conf(tmp_path, {"mine": f"defaults: [config, _self_]\n{text}\n"})
    told = errors("--config-dir", directory, "-c", "mine")
    assert any("mine.yaml:2:" in line and "error[FTC012 invalid-value]" in line for line in told), told


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_of_the_command_line_is_finite_too(value: str) -> None:
    assert any("FTC012" in line for line in errors(f"train.max_grad_norm={value}"))


# YAML 1.1, bool (yaml.org/type)
@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "true", "Off"])
def test_a_word_that_yaml_reads_as_a_boolean_must_be_quoted(tmp_path: Path, word: str) -> None:
    directory = conf(tmp_path, {"mine": f"defaults: [config, _self_]\nenv: {{A: {word}}}\n"})
    told = refused("--config-dir", directory, "-c", "mine")
    assert "mine.yaml:2:7: error[FTC012 invalid-value]: env.A" in told
    assert "quote it" in told
    assert "YAML 1.1 reads" in told
