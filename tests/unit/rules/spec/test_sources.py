"""Sources reach the trainer, and results do not mix with sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.compiling import found, ftc
from unit.rules.pairs import Pair, pages, passes, refuses

if TYPE_CHECKING:
    from pathlib import Path

DIRECT = "source@model.source=huggingface-direct"
DATA = "source@dataset.source=huggingface-direct"
OWN = "launcher=command launcher.command=[a]"
CUSTOM = f"dataset=custom dataset.id=team/data dataset.names=[a] {DATA}"
S3 = "source@model.source=s3 model.source.bucket=models"
TO_S3 = "publish=s3 publish.bucket=models publish.credentials.secret=s3"
TO_HUB = "publish=huggingface publish.token.secret=hub publish.repository"
IMAGE = "hiyouga/llamafactory:0.9.5"
DIGEST = f"sha256:{'0f' * 32}"
TO_GIT = "publish=git publish.url"
ADAPTER = "publish=git publish.url=https://git.example.com/a publish.credentials.secret=git method.merge=null"
GIT = "source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B"
_MORE = "dataset.more.identity-alauda.source"
TWO_DATASETS = f"dataset=[alpaca,identity-alauda] {_MORE}.url=https://git.example.com/a.git {_MORE}"
PAIRS = (
    Pair("FTC251", f"{OWN} model=qwen3-8b {DIRECT}", f"{OWN} model=qwen3-8b", "model.source"),
    Pair("FTC251", f"{OWN} dataset=alpaca {DATA}", f"launcher=torchrun dataset=alpaca {DATA}", "dataset.source"),
    Pair("FTC252", CUSTOM, f"{CUSTOM} 'dataset.info={{a: {{file_name: .}}}}'", "dataset.info"),
    Pair(
        "FTC252",
        f"{CUSTOM} 'dataset.info={{a: {{file_name: train/a.json}}}}'",
        f"{CUSTOM} 'dataset.info={{a: {{file_name: train}}}}'",
        "dataset.info.a.file_name",
    ),
    Pair(
        "FTC252", f"{DATA} dataset.source.revision=v2", f"{DIRECT} model.source.revision=v2", "dataset.source.revision"
    ),
    Pair(
        "FTC253",
        f"{DIRECT} {DATA} model.source.endpoint=https://a.example.com",
        f"{DIRECT} {DATA} cluster.hub_endpoint=https://a.example.com",
        "dataset.source.endpoint",
    ),
    Pair(
        "FTC253",
        f"{DIRECT} {DATA} model.source.token.secret=a dataset.source.token.secret=b",
        f"{DIRECT} {DATA} model.source.token.secret=a",
        "dataset.source.token",
    ),
    Pair("FTC254", f"{DATA} cluster.env.TRANSFORMERS_OFFLINE=yes", f"{DATA} env.HF_HUB_OFFLINE='\"0\"'", "cluster.env"),
    Pair("FTC254", f"{DIRECT} env.USE_MODELSCOPE_HUB=true", f"{DIRECT} env.USE_MODELSCOPE_HUB=no", "env.USE_MODEL"),
    Pair(
        "FTC255",
        f"{TO_S3} publish.bucket=a.b publish.addressing=virtual",
        f"{TO_S3} publish.bucket=a.b publish.addressing=virtual publish.endpoint=http://s3.example.com",
        "publish.bucket",
    ),
    Pair("FTC256", f"{TO_HUB}=Qwen/Qwen3-0.6B", f"{TO_HUB}=Qwen/Qwen3-0.6B publish.branch=tuned", "publish.repository"),
    Pair(
        "FTC256",
        f"{S3} model.source.prefix=qwen {TO_S3} publish.prefix=qwen/tuned",
        f"{S3} model.source.prefix=qwen {TO_S3} publish.prefix=qwen-tuned",
        "publish.prefix",
    ),
    Pair(
        "FTC260", f"{TO_GIT}=https://git.example.com/a", f"{TO_GIT}=ssh://git@git.example.com/a", "publish.credentials"
    ),
    Pair(
        "FTC260",
        f"{TO_GIT}=https://git.example.com/b publish.tls_verify=true",
        f"{TO_GIT}=https://git.example.com/a cluster.git_credentials.secret=git",
        "publish.credentials",
    ),
    *(
        Pair("FTC731", f"source@{key}=git {key}.url={wrong}", f"source@{key}=git {key}.url={right}", f"{key}.url")
        for key in ("model.source", "dataset.source")
        for wrong, right in (
            ("git@git.example.com:team/m.git", "https://git.example.com/team/m.git"),
            ("ssh://git@git.example.com/team/m", "git://git.example.com/team/m"),
            ("m.git", "/workspace/m.git"),
            ("git.example.com/m.git", "file:///workspace/m.git"),
            ("git@git.example.com:team/m", "git@git.example.com:team/m env.GIT_SSH_COMMAND='ssh -i /workspace/key'"),
        )
    ),
    Pair(
        "FTC731",
        f"{TO_GIT}=ssh://git@git.example.com/a",
        f"{TO_GIT}=https://git.example.com/a publish.credentials.secret=git",
        "publish.url",
    ),
    *(
        Pair("FTC730", wrong, right, "dataset.id")
        for wrong, right in (
            ("dataset.id=me/data", "dataset.id=tatsu-lab/alpaca"),
            ("dataset=no-robots dataset.id=me/data", "dataset=custom dataset.names=[a] dataset.id=me/data"),
            ("dataset.id=me/data train.max_samples=9", "dataset.id=me/data dataset.source.repository=tatsu-lab/alpaca"),
            ("dataset.id=me/data", "dataset.source.repository=me/data"),
            ("dataset.id=me/data", "dataset.id=me/data dataset.info.alpaca.file_name=other"),
            ("dataset.id=me/data", "dataset.id=me/data source@dataset.source=path dataset.source.path=/workspace/data"),
        )
    ),
    Pair(
        "FTC266",
        f"{TWO_DATASETS}.revision=main",
        f"{TWO_DATASETS}.revision=v1",
        "dataset.more.identity-alauda.source.revision",
    ),
    *(
        Pair("FTC266", f"{source} {wrong}", f"{source} {right}", "model.source.revision")
        for source, wrong, right in (
            (GIT, "model.source.revision=main", "model.source.revision=v1.0"),
            (GIT, "model.source.revision=refs/heads/fix", "model.source.revision=refs/tags/v1"),
            ("", "model.source.revision=main", f"model.source.revision={'a1' * 20}"),
            ("source@model.source=modelscope", "model.source.revision=master", "model.source.revision=v1.0"),
            ("source@model.source=huggingface-direct", "model.source.revision=main", "model.source.revision=v1"),
        )
    ),
    *(
        Pair("FTC267", f'"pins={{{key}: {wrong}}}" {override}', f'"pins={{{key}: {right}}}" {override}', key)
        for key, wrong, right, override in (
            ("model.source.revision", "main of me/m", "main of Qwen/Qwen3-0.6B", "model.source.revision=v1"),
            ("model.source.revision", "v1 of Qwen/Qwen3-0.6B", "main of Qwen/Qwen3-0.6B", "model.source.revision=v1"),
            ("hardware.image", "a:1", IMAGE, f"hardware.image={IMAGE}@{DIGEST}"),
            ("image", "a:1", IMAGE, f"image={IMAGE}@{DIGEST}"),
        )
    ),
    *(
        Pair("FTC261", f"model=qwen3-8b source@model.source={wrong}", f"model=qwen3-8b {right}", "model.source")
        for wrong, right in (
            ("git model.source.url=https://git.example.com/a/Qwen3-0.6B.git", "source@model.source=huggingface"),
            ("path model.source.path=/workspace/Qwen3-0.6B", "model.source.repository=mirror/qwen3-8B"),
            ("modelscope model.source.repository=Qwen/Qwen3-0.6B", "model.source.repository=team/base"),
            ("huggingface-direct model.source.repository=a/qwen3-0.6b", "model.source.repository=a/Qwen3-0.6B-tuned"),
        )
    ),
    Pair(
        "FTC261",
        f"model=qwen3-8b {S3} model.source.prefix=m/Qwen3-0.6B",
        "model=custom model.id=team/mine model.template=qwen3 model.source.repository=Qwen/Qwen3-0.6B",
        "model.source.prefix",
    ),
    *(
        Pair("FTC558", f"{ADAPTER} cluster=alauda {wrong}", f"{ADAPTER} {right}", "method.merge")
        for wrong, right in (
            ("", "cluster=generic"),
            ("method=dora-sft", "cluster=alauda cluster.serves_adapters=true"),
            ("method=oft-sft", "cluster=alauda method=full-sft"),
            ("method=lora-dpo dataset=dpo-mix-en", "cluster=alauda method=lora-rm dataset=dpo-mix-en"),
        )
    ),
    Pair(
        "FTC558",
        f"{ADAPTER} cluster=alauda",
        "cluster=alauda publish=huggingface publish.repository=a/b publish.token.secret=hub method.merge=null",
        "method.merge",
    ),
    Pair("FTC258", "model=gemma-3-4b-it", "model=gemma-3-4b-it model.source.repository=team/gemma", "model.source"),
    Pair("FTC258", f"model=llama-3.2-1b-instruct {DIRECT}", "model=phi-4", "model.source"),
    Pair(
        "FTC258",
        "model=llama-3.3-70b-instruct cluster.hub_endpoint=https://hf-mirror.com devices=8 engine=deepspeed-z3",
        "model=llama-3.3-70b-instruct devices=8 engine=deepspeed-z3 source@model.source=path"
        " model.source.path=/mnt/llama storage=shared"
        " 'storage.more={mnt: {kind: claim, mount_path: /mnt, claim: mnt, access_mode: ReadOnlyMany}}'",
        "model.source",
    ),
    Pair(
        "FTC258",
        "model=mistral-7b-instruct-v0.3 env.HF_HUB_DOWNLOAD_TIMEOUT=60",
        "model=mistral-7b-instruct-v0.3 'pod={spec: {initContainers: [{name: fetch-model, env: [{name: HF_TOKEN,"
        " valueFrom: {secretKeyRef: {name: hub, key: token}}}]}]}}'",
        "model.source",
    ),
    Pair("FTC256", f"{S3} {TO_S3}", f"{S3} {TO_S3} publish.endpoint=https://s3.example.com", "publish.prefix"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_source_that_cannot_reach_the_trainer_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_source_that_reaches_the_trainer_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("model.source.bucket=UPPER", "model.source.bucket"),
        ("model.source.bucket='a b c'", "model.source.bucket"),
        ("model.source.bucket='-rf'", "model.source.bucket"),
        ("model.source.prefix=../other", "model.source.prefix"),
        ("model.source.prefix=/models", "model.source.prefix"),
        ("model.source.prefix=a//b", "model.source.prefix"),
        ("model.source.prefix='a\nb'", "model.source.prefix"),
        ("model.source.endpoint=s3.example.com", "model.source.endpoint"),
        ("model.source.endpoint=https://key:secret@s3.example.com", "model.source.endpoint"),
        ("model.source.endpoint=https://s3.example.com/models", "model.source.endpoint"),
    ],
)
def test_a_bucket_name_follows_the_rules_of_s3(override: str, key: str) -> None:
    told = found("source@model.source=s3", "model.source.bucket=models", override)
    assert {".".join(map(str, diagnostic.path)) for diagnostic in told} == {key}


@pytest.mark.parametrize(
    "repository", ["'a b/c'", "../etc", "'$(id)'", "a/b/c", "'--help'", "https://hub.example.com/a"]
)
def test_an_invalid_repository_name_is_refused(repository: str) -> None:
    told = found(*TO_HUB.split()[:2], f"publish.repository={repository}")
    assert {diagnostic.path for diagnostic in told} == {("publish", "repository")}


def test_a_prefix_may_contain_any_characters() -> None:
    found_ = found("source@model.source=s3", "model.source.bucket=models", "model.source.prefix='模型/a b $(id)'")
    assert [diagnostic.code for diagnostic in found_] == ["FTC416"]  # the S3 client


def test_an_option_of_the_user_that_leaves_the_id_to_the_run_describes_each_of_them(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    text = "defaults: [/source@source: huggingface, _self_]\nid: ???\nnames: [a]\ninfo: {a: {file_name: a.json}}\n"
    (tmp_path / "dataset" / "mine.yaml").write_text(text)
    (tmp_path / "run.yaml").write_text("defaults: [config, _self_]\ndataset: {id: team/mine}\n")
    here = ("compile", "--config-dir", str(tmp_path))
    assert "FTC730" not in ftc(*here, "dataset=mine", "dataset.id=me/data").stderr
    assert "FTC730" in ftc(*here, "-c", "run").stderr


def test_a_run_file_that_says_where_its_model_is_keeps_that_place_for_another_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "copy.yaml").write_text("defaults: [qwen3-0.6b, _self_]\nid: team/copy\n")
    (tmp_path / "run.yaml").write_text(
        "defaults: [config, override model: qwen3-0.6b, override source@model.source: git, _self_]\n"
        "model: {source: {url: https://git.example.com/models/Qwen3-0.6B}}\n"
    )
    here = ("compile", "--config-dir", str(tmp_path), "-c", "run")
    told = ftc(*here, "model=qwen3-8b").stderr
    assert "warning[FTC261 source-of-another-model]: model.source.url: Qwen3-0.6B is another model" in told
    assert "run.yaml:2:" in told
    for right in ((), ("model=copy",), ("model=qwen3-8b", "model.source.url=https://git.example.com/models/Qwen3-8B")):
        assert "FTC261" not in ftc(*here, *right).stderr


def test_the_branch_of_an_option_of_the_user_is_a_warning_even_if_only_the_repository_is_named(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    option = tmp_path / "model" / "ours.yaml"
    compiled = ("compile", "--config-dir", str(tmp_path), "model=ours")
    start = "defaults: [qwen3-0.6b, _self_]\nsource: {"
    for named, key in (("revision: main", "revision"), ("repository: us/ours", "repository")):
        option.write_text(f"{start}{named}}}\n")
        told = ftc(*compiled).stderr
        assert f"ours.yaml:2:10: warning[FTC266 mutable-revision]: model.source.{key}: branch 'main'" in told
    for fixed in ("endpoint: https://mirror.example.com", f"repository: us/ours, revision: {'a1' * 20}"):
        option.write_text(f"{start}{fixed}}}\n")
        assert "FTC266" not in ftc(*compiled).stderr


def test_what_a_pinned_run_leaves_at_a_branch_is_a_warning(tmp_path: Path) -> None:
    pins = "pins: {model.source.revision: main of Qwen/Qwen3-0.6B}\nmodel: {source: {revision: %s}}\n" % ("a1" * 20)
    (tmp_path / "run.yaml").write_text(f"defaults: [config, _self_]\n{pins}")
    told = ftc("compile", "--config-dir", str(tmp_path), "-c", "run").stderr
    assert "warning[FTC266 mutable-revision]: dataset.source.revision: branch 'main' may be" in told


def test_the_branches_of_a_run_are_one_warning_and_those_of_shipped_options_none(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("defaults: [config, _self_]\n")
    run = ("compile", "--config-dir", str(tmp_path), "-c", "run")
    assert "FTC266" not in ftc(*run).stderr
    revisions = "model: {source: {revision: main}}\ndataset: {source: {revision: %s}}\n"
    file.write_text(f"defaults: [config, _self_]\n{revisions % 'main'}")
    told = ftc(*run).stderr
    assert told.count("warning[FTC266 mutable-revision]: model.source.revision: branch 'main' may be") == 1
    assert "so may dataset.source.revision" in told
    file.write_text(f"defaults: [config, _self_]\n{revisions % ('a1' * 20)}")
    assert "so may" not in ftc(*run).stderr
    assert "FTC266" not in ftc(*run, f"model.source.revision={'b2' * 20}").stderr
