"""`ftc plan`: one screen before submitting, and the same as JSON."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import yaml

from ftc.diagnostics.columns import width
from unit.compiling import COMMAND, ROOT, ftc

SCENARIOS = sorted((ROOT / "golden" / "scenarios").glob("*/case.yaml"))
BIG = ("model=qwen3-8b", "hardware=h800")


def planned(*overrides: str) -> Any:
    said = ftc("plan", "--json", *overrides)
    assert said.exit_code == 0, said.stderr
    return json.loads(said.stdout)


def text(*overrides: str) -> dict[str, str]:
    """The sections of the screen, by label."""
    said = ftc("plan", *overrides)
    assert said.exit_code == 0, said.stderr
    found: dict[str, str] = {}
    label = ""
    for line in said.stdout.splitlines():
        label = line[:11].strip() or label
        found[label] = f"{found.get(label, '')}{line[11:]}\n"
    return found


def fits(line: str, columns: int) -> bool:
    """Whether a line fits the terminal; an image or a path is longer than the line, but stays whole."""
    return width(line) <= columns or " " not in line[11:].strip()


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda file: file.parent.name)
def test_a_scenario_fits_on_a_screen(case: Any) -> None:
    said = ftc("plan", *yaml.safe_load(case.read_text())["overrides"])
    assert said.exit_code == 0, said.stderr
    lines = said.stdout.splitlines()
    screen = lines[: [line.startswith("next") for line in lines].index(True)]
    assert len(screen) <= 56
    assert [line for line in screen if not fits(line, 100)] == []


def test_the_global_batch_is_per_device_times_accumulation_times_processes() -> None:
    overrides = (*BIG, "nodes=2", "devices=4", "train.per_device_train_batch_size=3")
    batch = planned(*overrides, "train.gradient_accumulation_steps=5")["batch"]
    assert (batch["per_device"], batch["accumulation"], batch["processes"]) == (3, 5, 8)
    assert batch["sequences"] == 120


@pytest.mark.parametrize(
    ("overrides", "steps", "at_most"),
    [
        (("train.max_steps=70",), 70, None),
        (("train.max_samples=1000", "train.num_train_epochs=3"), None, 189),  # batch 16: 63 steps per epoch
        (("train.max_samples=1600", "train.num_train_epochs=0.5"), None, 50),
        (("train.num_train_epochs=3",), None, 9753),  # the 52,002 rows of alpaca: 3251 steps per epoch
        (("dataset=no-robots",), None, None),
        (("train.max_samples=many", "method.merge=null", "trainer.llamafactory=0.9.9"), None, None),
    ],
)
def test_the_steps_are_shown_if_they_can_be_computed(
    overrides: tuple[str, ...], steps: int | None, at_most: int | None
) -> None:
    batch = planned(*overrides)["batch"]
    assert (batch["steps"], batch["steps_at_most"]) == (steps, at_most)


def test_the_memory_is_compared_with_the_device() -> None:
    memory = planned(*BIG)["memory"]
    assert memory["device_mib"] == 81_559
    assert memory["total_mib"] == pytest.approx(sum(memory["terms_mib"].values()), abs=8)
    assert memory["terms_mib"]["weights"] == pytest.approx(8_190_735_360 * 2 / 2**20, rel=0.02)
    shown = text(*BIG)["memory"]
    assert "of 79.6 GiB per device (35 %)" in shown
    assert "weights 15.3" in shown


def test_the_memory_of_the_host_is_shown() -> None:
    assert planned(*BIG)["host"] == {"need_mib": 8_190_735_360 * 2 // 2**20, "purpose": "to merge the adapter"}
    assert "about 15.3 GiB of host memory to merge the adapter" in text(*BIG)["memory"]
    assert planned(*BIG, "method.merge=null")["host"] is None


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("hardware=cpu",), "no device"),
        (("model=custom", "model.id=a/b", "model.template=qwen3"), "model.architecture"),
        (COMMAND, "not LLaMA-Factory"),
        (("train.use_unsloth=true",), "use_unsloth"),
    ],
)
def test_a_missing_memory_estimate_is_explained(overrides: tuple[str, ...], reason: str) -> None:
    assert reason in planned(*overrides)["memory"]["unknown"]
    assert reason in text(*overrides)["memory"]


@pytest.mark.parametrize(
    ("overrides", "access", "gone_with"),
    [
        (("storage=shared",), "ReadWriteMany", None),
        (("storage=existing-claim",), "ReadWriteOnce", None),
        (("storage=job-lifetime",), "ReadWriteOnce", "the job"),
        (("storage=per-pod", "publish=git", "publish.url=https://git.example.com/r"), "one per pod", "the pod"),
    ],
)
def test_a_volume_has_an_access_mode_and_a_lifetime(
    overrides: tuple[str, ...], access: str, gone_with: str | None
) -> None:
    workspace = planned(*overrides)["volumes"][0]
    assert (workspace["name"], workspace["access"], workspace["gone_with"]) == ("workspace", access, gone_with)
    assert ("lost with" in text(*overrides)["storage"]) == (gone_with is not None)


@pytest.mark.parametrize(
    ("overrides", "by", "nodes"),
    [
        ((), "if missing", "every node"),
        (("nodes=2",), "node 0 for all, if missing", "node 0 for all"),
        (
            ("nodes=2", "storage.cache={kind: per-pod, mount_path: /cache, size: 50Gi}"),
            "every node, if missing",
            "every node",
        ),
        (("nodes=2", "source@model.source=path", "model.source.path=/workspace/m"), "must exist", "every node"),
    ],
)
def test_a_fetch_names_the_node_that_downloads(overrides: tuple[str, ...], by: str, nodes: str) -> None:
    found = planned(*overrides)
    assert found["fetches"][0]["by"] == by
    assert found["stages"][0]["nodes"] == nodes


def test_the_steps_are_in_order() -> None:
    everything = ("setup=[[pip,install,x]]", "publish=git", "publish.url=https://git.example.com/r")
    stages = planned(*everything)["stages"]
    assert [stage["name"] for stage in stages] == [
        *("fetch-model", "fetch-dataset", "setup", "train", "merge", "publish"),
    ]
    assert {stage["name"] for stage in stages if stage["nodes"] == "node 0"} == {"merge", "publish"}


def test_launcher_command_has_no_batch_and_no_trainer_stage() -> None:
    found = planned(*COMMAND)
    assert found["batch"] is None
    assert [stage["name"] for stage in found["stages"]] == ["train"]
    assert found["what"] == "python train.py"


def test_waits_and_restarts_are_shown() -> None:
    found = planned("nodes=2", "restarts=3", "train.ddp_timeout=3600", "cluster.fetch_timeout_seconds=60")
    assert found["seconds"] == {"download": 60, "devices_idle": 120, "name_of_node_0": 300, "lost_peer": 3600}
    assert found["restarts"] == 3
    assert "3 times" in text("restarts=3")["restarts"]
    assert text()["restarts"].startswith("never")


def test_server_defaults_are_fields_missing_from_the_manifest() -> None:
    fields = {default["field"] for default in planned()["defaults"]}
    assert {"metadata.namespace", "ttlSecondsAfterFinished"} <= fields
    given = ("namespace=team", "ttl_seconds_after_finished=60", "cluster.priority_class=high")
    fewer = {default["field"] for default in planned(*given)["defaults"]}
    assert fields - fewer == {"metadata.namespace", "ttlSecondsAfterFinished", "priorityClassName"}


def test_the_user_and_the_service_account_are_shown_if_set() -> None:
    plain, chosen = planned(), planned("cluster.security=restricted", "cluster.service_account=tuner")
    assert (plain["run_as_user"], plain["service_account"]) == (None, None)
    assert (chosen["run_as_user"], chosen["service_account"]) == (1000, "tuner")
    shown = text("cluster.run_as_user=7", "cluster.service_account=tuner")["pod"]
    assert re.search(r"runs as +user 7\b", shown)
    assert re.search(r"account +tuner\b", shown)
    assert "runs as" not in text()["pod"]


def test_secrets_are_only_named() -> None:
    found = planned("model.source.token={secret: hub}", "pod={spec: {imagePullSecrets: [{name: registry}]}}")["secrets"]
    assert [(secret["name"], secret["keys"]) for secret in found] == [
        ("hub", ["token"]),
        ("registry", [".dockerconfigjson"]),
    ]
    assert found[0]["containers"] == ["fetch-model"]


def test_tensorboard_is_shown_with_its_command() -> None:
    said = text("tracking=tensorboard", "name=run-1", "naming=fixed")["metrics"]
    assert said.startswith("tensorboard --logdir /workspace/run-1/output/runs")


def test_each_tracker_is_shown_with_its_address() -> None:
    offline = "tracking.wandb={project: p, mode: offline}"
    said = planned("tracking=mlflow", "tracking.mlflow.uri=http://m:5000", "tracking.swanlab={}", offline)["metrics"]
    assert said[0] == "MLflow at http://m:5000, experiment ftc"
    assert said[1].startswith("Weights & Biases: wandb sync /workspace/")
    assert said[2] == "SwanLab at https://swanlab.cn, project ftc"


def test_containers_of_a_fragment_are_shown_with_their_images() -> None:
    side = "pod={spec: {containers: [{name: side, image: 'registry.example.com/side:1'}]}}"
    names = {container["name"]: container["image"] for container in planned(side)["containers"]}
    assert names["side"] == "registry.example.com/side:1"
    assert "registry.example.com/side:1" in text(side)["pod"]


def test_an_error_prints_no_plan() -> None:
    said = ftc("plan", "devices=9")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "error[FTC301 devices-exceed-node]" in said.stderr


def test_warnings_go_to_stderr() -> None:
    said = ftc("plan", "hardware=h800", "model=qwen3-8b", "method=full-sft")
    assert said.exit_code == 0
    assert "warning[FTC702 training-exceeds-device-memory]" in said.stderr
    assert "FTC702" not in said.stdout


def test_a_name_that_would_move_the_cursor_is_escaped() -> None:
    said = ftc("plan", 'model.id="a/\x1b[2Jb"', "name=x")
    assert "\x1b" not in said.stdout


def test_an_elastic_training_shows_its_start_and_the_loss_of_a_node() -> None:
    said = " ".join(ftc("plan", "nodes=4", "min_nodes=2", "restarts=3").stdout.split())
    assert "starts with 2 nodes, others join later; rendezvous at worker-0" in said
    assert "3 times: if a node is lost, the others continue from the last checkpoint" in said


def test_sources_and_sinks_are_named_with_their_servers() -> None:
    source = ("source@model.source=s3", "model.source.bucket=models", "model.source.prefix=a")
    direct = ("source@dataset.source=huggingface-direct",)
    sink = ("publish=huggingface", "publish.repository=team/out", "publish.token.secret=writer")
    said = " ".join(ftc("plan", *source, *direct, *sink).stdout.split())
    assert "model: s3 models/a from https://s3.amazonaws.com" in said
    assert "dataset: huggingface-direct tatsu-lab/alpaca at main, the trainer on each node, at startup" in said
    assert "team/out, branch main" in said
    assert "token for publish" in said


def test_packed_rows_are_not_counted_as_sequences() -> None:
    batch = text("train.packing=true")["batch"]
    assert "packed with rows" in batch
    assert "3 epochs of (packed sequences / 16) steps" in batch
    assert "packed" not in text()["batch"]
    assert planned("train.packing=true")["batch"]["packed"] is True


def test_the_batch_of_an_elastic_run_counts_all_nodes() -> None:
    case = yaml.safe_load((ROOT / "golden" / "scenarios" / "elastic-torchrun-2to4" / "case.yaml").read_text())
    assert "this is with all 4 nodes: with fewer, a step has fewer sequences" in text(*case["overrides"])["batch"]
    assert "all" not in text("nodes=2")["batch"]


def test_a_run_on_the_cpu_has_one_process() -> None:
    assert "1 node x 1 process on the CPU = 1 process" in text("hardware=cpu")["topology"]


@pytest.mark.parametrize("overrides", [(), ("train.packing=true",)])
def test_rows_of_plain_text_are_packed_by_default(overrides: tuple[str, ...]) -> None:
    plain = ("method=full-pt", "dataset=wikitext-2", "train.max_samples=1000")
    batch = planned(*plain, *overrides)["batch"]
    assert (batch["packed"], batch["steps_at_most"]) == (True, None)
    batch = planned(*plain, "train.packing=false")["batch"]
    assert (batch["packed"], batch["steps_at_most"]) == (False, 189)


@pytest.mark.parametrize("key", ["per_device_train_batch_size", "max_samples", "num_train_epochs"])
@pytest.mark.parametrize("command", ["plan", "compile"])
def test_a_number_out_of_range_is_refused(command: str, key: str) -> None:
    said = ftc(command, f"train.{key}=1{'0' * 90}", "hardware=h800")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "is out of range" in said.stderr


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_screen_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    program = ("launcher=command", 'launcher.command=[python,"训练脚本的很长的名字训练脚本的很长的名字.py"]')
    shown = ftc("plan", "nodes=2", *BIG, *program).stdout.splitlines()
    assert any("训练" in line for line in shown)
    assert [line for line in shown if "launcher.command=" not in line and not fits(line, columns)] == []


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_an_image_and_a_source_stay_whole_to_be_copied(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    image = f"registry.example.com:60070/{'a-team-with-a-long-name/' * 4}trainer:v0.0.0-fix.38.11"
    url = f"https://git.example.com/{'a-group-with-a-long-name/' * 4}model"
    words = ftc("plan", f"image={image}", "source@model.source=git", f"model.source.url={url}").stdout.split()
    assert {image, url} <= set(words)


def test_format_json_is_the_same_as_json() -> None:
    short, long = ftc("plan", "--json"), ftc("plan", "--format", "json")
    assert json.loads(short.stdout) == json.loads(long.stdout)
    assert (short.stderr, json.loads(long.stderr)) == ("", [])


def required(*overrides: str) -> set[tuple[str, str]]:
    return {(one["kind"], one["name"]) for one in planned(*overrides)["requires"]}


def test_what_must_exist_is_listed() -> None:
    assert {("claim", "workspace"), ("queue", "default"), ("image", "hiyouga/llamafactory:0.9.5")} == required()
    more = ("model.source.token={secret: hub}", "cluster.service_account=tuner", "namespace=team", "cluster.queue=gpus")
    assert {("Secret", "hub"), ("account", "tuner"), ("namespace", "team"), ("queue", "gpus")} <= required(*more)
    assert ("Secret", "registry") in required("pod={spec: {imagePullSecrets: [{name: registry}]}}")
    mounted = "pod={spec: {volumes: [{name: a, configMap: {name: settings}}, {name: b, secret: {secretName: keys}}]}}"
    assert {("ConfigMap", "settings"), ("Secret", "keys")} <= required(mounted)
    assert {kind for kind, _ in required("-t", "job")} == {"claim", "image"}
    assert ("LocalQueue", "team") in required("-t", "job", "cluster.kueue_queue=team")
    assert "claim" not in {kind for kind, _ in required("storage=per-pod", "publish=git", "publish.url=https://h/r")}


def test_the_next_commands_compile_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    words = ("nodes=2", "train.resume_from_checkpoint='a b'", "hardware=ascend", "name=a-run-with-a-long-name")
    said = text(*words, "storage=existing-claim", "nodes=1")["next"]
    assert max(map(len, said.splitlines())) <= 60 - 11
    *_, submit = said.replace("\\\n", " ").splitlines()
    assert shlex.split(submit) == [
        *("ftc", "compile", *words, "storage=existing-claim", "nodes=1"),
        *("|", "kubectl", "create", "-f", "-"),
    ]
    fixed = text("naming=fixed", "name=run", "-t", "job")["next"].replace("\\\n ", "").splitlines()
    assert [" ".join(line.split()) for line in fixed] == [
        "# if a claim is missing:",
        "ftc compile -t storage naming=fixed name=run | kubectl apply -f -",
        "ftc compile -t job naming=fixed name=run | kubectl apply -f -",
    ]


def test_requests_beyond_a_usual_node_are_reported() -> None:
    # Dell's XE9680 with H100, in MLPerf Inference 3.1, has 2 x 52 cores with two threads each, and 2 TB.
    assert "more than a usual node" not in text(*BIG, "devices=8")["pod"]
    shown = text(*BIG, "devices=8", "hardware.memory_gib_per_device=512")["pod"]
    assert "more than a usual node of this hardware: cpu 128 of 208, memory 4096 of 2048 GiB" in shown


@pytest.mark.parametrize(
    ("target", "overrides", "words"),
    [
        ("volcano", (), ("all nodes start together", "300 s to resolve")),
        ("job", (), ("each node starts once it has room, and waits", "7200 s to resolve")),
        ("job", ("cluster.gang_jobs=true",), ("all nodes start together", "7200 s to resolve")),
        ("job", ("cluster.kueue_queue=team",), ("all nodes start together", "7200 s to resolve")),
    ],
)
def test_the_start_of_several_nodes_is_that_of_the_target(
    target: str, overrides: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shown = " ".join(ftc("plan", "-t", target, "nodes=2", "storage=shared", *overrides).stdout.split())
    assert all(word in shown for word in words), shown


@pytest.mark.parametrize("target", ["volcano", "job"])
def test_only_the_trainer_is_promised_to_continue_from_a_checkpoint(target: str) -> None:
    shown = " ".join(ftc("plan", "-t", target, "restarts=3").stdout.split())
    assert "from the last checkpoint" in shown
    shown = " ".join(ftc("plan", "-t", target, "restarts=3", *COMMAND).stdout.split())
    assert "the command again" in shown
    assert "checkpoint" not in shown


def test_a_run_with_tensorboard_says_how_to_see_it() -> None:
    said = ftc("plan", "tracking=tensorboard", "namespace=team", "name=sft", "-t", "trainjob").stdout
    words = " ".join(said.replace("\\\n", " ").split())
    directory = "/workspace/sft-xxxxx/output/runs"
    assert f"kubectl exec -n team POD -c node -- tensorboard --logdir {directory} --port 6006 &" in words
    assert words.endswith("kubectl port-forward -n team POD 6006:6006")
    assert "port-forward" not in ftc("plan").stdout
