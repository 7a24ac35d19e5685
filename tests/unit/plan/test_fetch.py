"""The downloads of the pod: their directories and credentials."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, document, fetcher, found, pod, template, trainer, variables

GIT = ("source@model.source=git", "model.source.url=https://git.example.com/models/Qwen3-0.6B")


def directory(*overrides: str) -> str:
    return variables(fetcher("model", *overrides))["TARGET_DIR"]


@pytest.mark.parametrize(
    "change",
    [
        ("model.source.url=https://git.example.com/models/other",),
        ("model.source.url=https://other.example.com/models/Qwen3-0.6B",),
        ("model.source.revision=v2",),
        ("source@model.source=huggingface",),
    ],
)
def test_another_source_or_revision_is_another_directory(change: tuple[str, ...]) -> None:
    kept = GIT if "source@model.source=huggingface" not in change else ()
    assert directory(*kept, *change) != directory(*GIT)


@pytest.mark.parametrize(
    "change",
    [
        "model.source.credentials={secret: mine}",
        "model.source.tls_verify=false",
        "model.source.url=https://git.example.com/models/Qwen3-0.6B.git",
        "model.source.url=https://git.example.com/models/Qwen3-0.6B/",
        "name=another-run",
        "nodes=2",
        "train.learning_rate=1.0e-5",
    ],
)
def test_what_does_not_change_the_files_does_not_change_the_directory(change: str) -> None:
    assert directory(*GIT, change) == directory(*GIT)


def test_an_endpoint_or_a_token_of_a_hub_does_not_change_the_directory() -> None:
    hub = directory()
    assert directory("model.source.endpoint=https://mirror.example.com") == hub
    assert directory("model.source.token={secret: mine}") == hub
    assert directory("model.source.revision=v2") != hub


def test_the_same_repository_of_two_hubs_is_two_directories() -> None:
    assert directory("source@model.source=modelscope", "model.source.revision=main") != directory()


def test_directories_lie_in_the_cache_and_are_named_after_their_source() -> None:
    assert directory(*GIT).startswith("/workspace/cache/qwen3-0-6b-")
    assert directory(*GIT, "storage.cache.path=/workspace/models").startswith("/workspace/models/qwen3-0-6b-")
    assert directory(*GIT, "storage=job-lifetime").startswith("/cache/qwen3-0-6b-")


def test_the_trainer_reads_where_the_fetch_puts() -> None:
    assert document("train.yaml", *GIT)["model_name_or_path"] == f"{directory(*GIT)}/files"
    assert document("merge.yaml", *GIT)["model_name_or_path"] == f"{directory(*GIT)}/files"


def test_no_release_takes_the_directory_of_one_that_kept_its_marker_among_the_files() -> None:
    before = {"/workspace/cache/qwen3-0-6b-a4605b53", "/workspace/cache/alpaca-87e4ef90"}
    assert not before & {directory(), variables(fetcher("dataset"))["TARGET_DIR"]}


def test_a_directory_on_a_volume_is_used_as_it_is() -> None:
    there = ("source@model.source=path", "model.source.path=/workspace/models/mine")
    container = fetcher("model", *there)
    assert container["command"] == ["bash", "/etc/ftc/check_image.sh", "bash", "/etc/ftc/check_path.sh"]
    assert variables(container)["TARGET_DIR"] == "/workspace/models/mine"
    assert document("train.yaml", *there)["model_name_or_path"] == "/workspace/models/mine"


@pytest.mark.parametrize(
    ("overrides", "shared"),
    [
        ((), "true"),
        (("storage=existing-claim",), "false"),
        (("storage=per-pod",), "false"),
        (("storage=job-lifetime",), "true"),
        (("storage=job-lifetime", "storage.cache.access_mode=ReadWriteOnce"), "false"),
    ],
)
def test_rank_0_downloads_for_all_where_the_cache_is_shared(overrides: tuple[str, ...], shared: str) -> None:
    found = variables(fetcher("model", *overrides))
    assert found["SHARED_CACHE"] == shared
    assert found["NNODES"] == "1"


def test_an_init_container_knows_the_number_of_nodes_and_the_time_that_it_has() -> None:
    found = variables(fetcher("dataset", "nodes=3", "cluster.fetch_timeout_seconds=60"))
    assert (found["NNODES"], found["FETCH_TIMEOUT"]) == ("3", "60")


def test_variables_of_a_fetch_from_huggingface() -> None:
    found = variables(fetcher("model", "model.source.revision=v2", "model.source.endpoint=https://mirror.example.com"))
    wanted = {
        "HUB": "huggingface",
        "SOURCE": "Qwen/Qwen3-0.6B",
        "REPO_TYPE": "model",
        "REVISION": "v2",
        "HF_ENDPOINT": "https://mirror.example.com",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert variables(fetcher("dataset"))["REPO_TYPE"] == "dataset"


def test_variables_of_a_fetch_from_modelscope() -> None:
    found = variables(
        fetcher("model", "source@model.source=modelscope", "model.source.endpoint=https://ms.example.com")
    )
    assert (found["HUB"], found["MODELSCOPE_ENDPOINT"]) == ("modelscope", "https://ms.example.com")
    assert (found["SOURCE"], found["REVISION"]) == ("Qwen/Qwen3-0.6B", "master")


def test_variables_of_a_fetch_from_git() -> None:
    found = variables(fetcher("model", *GIT, "model.source.revision=v2", "model.source.tls_verify=false"))
    wanted = {"SOURCE": "https://git.example.com/models/Qwen3-0.6B", "REVISION": "v2", "TLS_VERIFY": "false"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert "TLS_VERIFY" not in variables(fetcher("model", *GIT))


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (
            (*GIT, "model.source.credentials={secret: mine, username_key: u, password_key: p}"),
            {"GIT_USER", "GIT_TOKEN"},
        ),
        (("model.source.token={secret: mine, key: p}",), {"HF_TOKEN"}),
        (("source@model.source=modelscope", "model.source.token={secret: mine, key: p}"), {"MODELSCOPE_API_TOKEN"}),
        (
            (
                "source@model.source=s3",
                "model.source.bucket=models",
                "model.source.credentials={secret: mine, id_key: u, secret_key: p}",
            ),
            {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"},
        ),
    ],
)
def test_credentials_come_from_a_secret_and_are_in_one_container_only(
    overrides: tuple[str, ...], names: set[str]
) -> None:
    def secret(container: dict[str, list[dict[str, dict[str, dict[str, str]]]]]) -> dict[str, dict[str, str]]:
        given = [variable for variable in container["env"] if "valueFrom" in variable]
        refs = {str(v["name"]): v["valueFrom"].get("secretKeyRef") for v in given}
        return {name: ref for name, ref in refs.items() if ref}

    found = secret(fetcher("model", *overrides))
    assert set(found) == names
    assert {ref["name"] for ref in found.values()} == {"mine"}
    assert "p" in {ref["key"] for ref in found.values()}
    assert secret(trainer(*overrides)) == {}
    assert secret(fetcher("dataset", *overrides)) == {}


def test_the_platforms_credentials_and_mirror_are_used_without_being_named() -> None:
    found = fetcher("model", "cluster=alauda", *GIT)["env"]
    user = {"secretKeyRef": {"name": "aml-image-builder-secret", "key": "MODEL_REPO_GIT_USER"}}
    assert next(v["valueFrom"] for v in found if v["name"] == "GIT_USER") == user
    mirror = variables(fetcher("model", "cluster=alayanew"))
    assert mirror["HF_ENDPOINT"] == "http://hfmirror.mas.zetyun.cn:8082"


def test_the_platforms_variables_reach_every_fetch_without_duplicates() -> None:
    overrides = ("cluster=alayanew", "cluster.env={HTTPS_PROXY: 'http://p:1', HF_ENDPOINT: 'http://other'}")
    for name in ("model", "dataset"):
        container = fetcher(name, *overrides)
        names = [variable["name"] for variable in container["env"]]
        assert len(names) == len(set(names))
        assert variables(container)["HTTPS_PROXY"] == "http://p:1"
        assert variables(container)["HF_ENDPOINT"] == "http://hfmirror.mas.zetyun.cn:8082"


def test_a_dataset_with_its_own_description_is_asked_for_its_names() -> None:
    named = ("dataset=custom", "dataset.id=org/data", "dataset.names=[one,two]")
    assert variables(fetcher("dataset", *named))["EXPECT_DATASETS"] == "one,two"
    assert "EXPECT_DATASETS" not in variables(fetcher("dataset"))


def test_the_rows_are_checked_if_the_scripts_are_in_a_config_map() -> None:
    def words(*overrides: str) -> str | None:
        return variables(fetcher("dataset", *overrides)).get("CHECK_DATASET")

    asked = "--dataset=alpaca --stage sft --workers 8 --cutoff 2048 --block 0 --modalities text"
    assert words() is None
    assert words("dataset.check=true") == asked
    assert words("scripts=configmap") == asked
    assert words("scripts=configmap", "dataset.check=false") is None
    assert "CHECK_DATASET" not in variables(fetcher("model", "scripts=configmap"))


def test_the_check_reads_the_rows_as_the_training_does() -> None:
    pretraining = ("method=lora-pt", "dataset=wikitext-2", "train.cutoff_len=512", "train.max_samples=100")
    more = ("train.preprocessing_num_workers=4", "train.media_dir=/workspace/media", "dataset.check=true")
    found = variables(fetcher("dataset", *pretraining, *more))["CHECK_DATASET"].replace("=", " ").split()
    asked = dict(zip(found[::2], found[1::2], strict=True))
    assert asked == {
        "--dataset": "wikitext_2",
        "--media": "/workspace/media",
        "--stage": "pt",
        "--workers": "4",
        "--cutoff": "512",
        "--block": "512",
        "--most-rows": "100",
        "--modalities": "text",
    }


def test_a_name_is_neither_an_option_of_the_check_nor_two_words() -> None:
    described = "dataset.info={-x: {file_name: a.json}, two words: {file_name: b.json}}"
    found = variables(fetcher("dataset", "dataset=custom", "dataset.id=org/data", described, "dataset.check=true"))
    assert found["CHECK_DATASET"].startswith("--dataset=-x '--dataset=two words' --stage sft ")


def test_pairs_are_read_in_the_stage_rm() -> None:
    found = variables(fetcher("dataset", "method=lora-dpo", "dataset=dpo-mix-en", "dataset.check=true"))
    assert "--stage rm" in found["CHECK_DATASET"]


def test_a_command_gets_the_directories_of_its_sources() -> None:
    assert "initContainers" not in pod(*COMMAND)
    found = trainer(*COMMAND, "model=qwen3-8b")
    assert variables(found)["MODEL_DIR"] == f"{directory(*COMMAND, 'model=qwen3-8b')}/files"
    assert "DATASET_DIR" not in variables(found)


DIRECT = ("source@model.source=huggingface-direct", "source@dataset.source=huggingface-direct")
S3 = ("source@model.source=s3", "model.source.bucket=models")


def test_variables_of_a_fetch_from_s3() -> None:
    place = ("model.source.prefix=qwen/0.6b", "model.source.endpoint=http://minio:9000", "model.source.region=eu-1")
    container = fetcher("model", *S3, *place)
    assert container["command"] == [
        *("bash", "/etc/ftc/check_image.sh", "bash", "/etc/ftc/fetch.sh"),
        *("python3", "/etc/ftc/download_s3.py"),
    ]
    wanted = {
        "SOURCE": "s3://models/qwen/0.6b",
        "S3_BUCKET": "models",
        "S3_PREFIX": "qwen/0.6b",
        "S3_ENDPOINT": "http://minio:9000",
        "S3_REGION": "eu-1",
        "S3_ADDRESSING": "path",
    }
    found = variables(container)
    assert {name: found.get(name) for name in wanted} == wanted


def test_each_prefix_and_each_server_is_another_directory_of_the_cache() -> None:
    others = ("model.source.prefix=a", "model.source.prefix=b", "model.source.endpoint=http://minio:9000")
    found = {variables(fetcher("model", *S3, other))["TARGET_DIR"] for other in (*others, "model.source.region=eu-1")}
    assert len(found) == len(others) + 1


def test_what_the_trainer_downloads_is_not_staged() -> None:
    assert "initContainers" not in pod(*DIRECT)
    assert "ftc.dev/fetch.sh" not in template(*DIRECT)["metadata"]["annotations"]
    train = document("train.yaml", *DIRECT, "model.source.revision=v2")
    assert (train["model_name_or_path"], train["model_revision"]) == ("Qwen/Qwen3-0.6B", "v2")
    merge = document("merge.yaml", *DIRECT, "model.source.revision=v2")
    assert (merge["model_name_or_path"], merge["model_revision"]) == ("Qwen/Qwen3-0.6B", "v2")
    assert train["dataset_dir"] == "/etc/ftc"
    assert "media_dir" not in train
    assert document("dataset_info.json", *DIRECT) == {"alpaca": {"hf_hub_url": "tatsu-lab/alpaca", "folder": "data"}}


def test_a_staged_model_has_no_revision_for_the_trainer() -> None:
    assert "model_revision" not in document("train.yaml")
    assert "model_revision" not in document("merge.yaml")


def test_the_trainer_has_the_hubs_token_and_mirror_only_if_it_downloads() -> None:
    hub = ("cluster.hub_endpoint=https://mirror.example.com", "model.source.token={secret: mine, key: p}")
    found = trainer(DIRECT[0], *hub)
    assert variables(found)["HF_ENDPOINT"] == "https://mirror.example.com"
    assert variables(found)["HF_HUB_CACHE"] == "/workspace/cache/hub"
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "p"}}}
    assert token in found["env"]
    assert token not in fetcher("dataset", DIRECT[0], *hub)["env"]
    staged = {variable["name"] for variable in trainer(*hub)["env"]}
    assert not staged & {"HF_TOKEN", "HF_ENDPOINT", "HF_HUB_CACHE"}


def test_one_s_own_cache_of_the_hub_is_kept() -> None:
    assert variables(trainer(DIRECT[0], "env.HF_HUB_CACHE=/workspace/mine"))["HF_HUB_CACHE"] == "/workspace/mine"


@pytest.mark.parametrize(
    ("overrides", "memory"),
    [
        (("storage=in-memory",), "20Gi"),
        (("storage=in-memory", "cluster.fetch_memory_gib=8"), "24Gi"),
        (("storage=in-memory", "storage.workspace.size=10500M"), "14Gi"),
        (("storage=per-pod",), "4Gi"),
        (("storage.cache={kind: per-pod, mount_path: /cache, size: 30Gi, in_memory: true}",), "34Gi"),
        (
            ("storage=in-memory", "storage.cache={kind: claim, claim: c, mount_path: /c, access_mode: ReadWriteMany}"),
            "4Gi",
        ),
    ],
)
def test_downloads_into_memory_are_added_to_the_memory_limit(overrides: tuple[str, ...], memory: str) -> None:
    for name in ("model", "dataset"):
        resources = fetcher(name, *overrides)["resources"]
        assert resources["limits"]["memory"] == resources["requests"]["memory"] == memory


def test_the_first_step_looks_for_what_later_steps_need() -> None:
    by_git = ("publish=git", "publish.url=https://git.example.com/o")
    first = fetcher("model", *by_git)
    assert first["command"][:2] == ["bash", "/etc/ftc/check_image.sh"]
    assert variables(first)["REQUIRED_TOOLS"] == "flock git git-lfs llamafactory-cli python3"
    assert variables(first)["REQUIRED_MODULES"] == "huggingface_hub"
    assert "check_image.sh" not in " ".join(fetcher("dataset", *by_git)["command"])


def test_a_step_with_its_own_image_is_not_judged_by_another_one() -> None:
    own = "pod.spec.containers=[{name: train, image: registry.example.com/other:1}]"
    assert "REQUIRED_TOOLS" not in variables(fetcher("model", own))
    own = "pod.spec.initContainers=[{name: fetch-model, image: registry.example.com/hub:1}]"
    assert "REQUIRED_TOOLS" not in variables(fetcher("model", own))


def test_a_program_that_setup_may_bring_is_not_looked_for_before_it() -> None:
    setup = ("setup=[[pip,install,llamafactory]]", "publish=git", "publish.url=https://git.example.com/o")
    assert variables(fetcher("model", *setup))["REQUIRED_TOOLS"] == "flock git git-lfs python3"


AT = "source@method.adapter"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (
            (f"{AT}=huggingface", "method.adapter.repository=team/adapter"),
            {"HUB": "huggingface", "SOURCE": "team/adapter", "REPO_TYPE": "model", "REVISION": "main"},
        ),
        (
            (f"{AT}=modelscope", "method.adapter.repository=team/adapter"),
            {"HUB": "modelscope", "SOURCE": "team/adapter", "REPO_TYPE": "model"},
        ),
        ((f"{AT}=git", "method.adapter.url=https://git.example.com/a"), {"SOURCE": "https://git.example.com/a"}),
        ((f"{AT}=s3", "method.adapter.bucket=ours", "method.adapter.prefix=a"), {"SOURCE": "s3://ours/a"}),
        ((f"{AT}=path", "method.adapter.path=/workspace/a"), {"TARGET_DIR": "/workspace/a"}),
    ],
)
def test_an_adapter_is_fetched_from_each_kind_of_source_and_checked(
    source: tuple[str, ...], wanted: dict[str, str]
) -> None:
    found = variables(fetcher("adapter", *source))
    assert {name: found.get(name) for name in wanted} == wanted
    files = "" if source[0].endswith("path") else "/files"
    directory = document("train.yaml", *source)["adapter_name_or_path"]
    assert directory == f"{found['TARGET_DIR']}{files}"
    assert found["ADAPTER_CONFIG"] == f"{directory}/adapter_config.json"
    within = fetcher("adapter", *source, "train.adapter_folder=checkpoint-9")
    assert variables(within)["ADAPTER_CONFIG"] == f"{directory}/checkpoint-9/adapter_config.json"
    assert within["command"][:3] == ["bash", "/etc/ftc/check_adapter.sh", "bash"]


def test_a_command_gets_the_directory_of_its_adapter() -> None:
    adapter = ("method=lora-sft", "ignore=[FTC102]", AT + "=path", "method.adapter.path=/workspace/a")
    found = fetcher("adapter", *COMMAND, *adapter)
    assert variables(found)["TARGET_DIR"] == "/workspace/a"
    assert variables(trainer(*COMMAND, *adapter))["ADAPTER_DIR"] == "/workspace/a"


OF_RUN = ("source@model.source=run", "model.source.run=sft-x7k2p")


@pytest.mark.parametrize(
    ("overrides", "result", "step"),
    [
        ((), "merged", "merge"),
        (("model.source.result=output",), "output", "train"),
        (("model.source.result=quantized",), "quantized", "quantize"),
        (("storage.workspace.mount_path=/data",), "merged", "merge"),
    ],
)
def test_the_result_of_an_earlier_run_is_a_directory_that_exists_once_its_step_is_done(
    overrides: tuple[str, ...], result: str, step: str
) -> None:
    mount = "/data" if "storage.workspace.mount_path=/data" in overrides else "/workspace"
    container = fetcher("model", *OF_RUN, *overrides)
    assert variables(container)["RUN_MARKER"] == f"{mount}/sft-x7k2p/{step}.done"
    assert variables(container)["TARGET_DIR"] == f"{mount}/sft-x7k2p/{result}"
    assert document("train.yaml", *OF_RUN, *overrides)["model_name_or_path"] == f"{mount}/sft-x7k2p/{result}"


def test_the_adapter_of_an_earlier_run_is_its_output() -> None:
    adapter = ("source@method.adapter=run", "method.adapter.run=sft-x7k2p")
    given = variables(fetcher("adapter", *adapter))
    assert given["RUN_MARKER"] == "/workspace/sft-x7k2p/train.done"
    assert given["ADAPTER_CONFIG"] == "/workspace/sft-x7k2p/output/adapter_config.json"


def test_an_earlier_run_is_not_in_a_workspace_that_is_created_for_the_job() -> None:
    told = found(*OF_RUN, "storage=job-lifetime")
    assert [(d.code, d.path[:2]) for d in told] == [("FTC205", ("model", "source"))]


def test_a_dataset_is_not_the_result_of_a_run() -> None:
    told = found("source@dataset.source=run", "dataset.source.run=sft-x7k2p")
    assert {d.code for d in told} <= {"FTC010", "FTC012"} != set()
