"""Lint judges the files of an input one by one: the findings are those of one stream with all of them, in any order."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, permutations
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from golden import cases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])
MOST_ORDERS = 24


def found_in(files: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    return lint([(name, text.encode()) for name, text in files.items()], NEWEST, files)


def documents(file: Path) -> dict[str, str]:
    """The documents of a stream as files that are named after their first lines."""
    found, line = {}, 1
    for part in file.read_text().split("\n---\n"):
        found[str(line)] = f"{part}\n"
        line += part.count("\n") + 2
    return found


STREAMS = [file for file in sorted(cases.CORPUS.glob("*/*.yaml")) if "\n---\n" in file.read_text()]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_documents_in_separate_files_have_the_findings_of_their_stream(stream: Path) -> None:
    expected = sorted(
        (one.code, one.message, one.position and one.position.line, one.position and one.position.column)
        for one in found_in({"stream.yaml": stream.read_text()})
    )
    for order in islice(permutations(documents(stream).items()), MOST_ORDERS):
        found = [(one, one.position) for one in found_in(dict(order)) if one.position]
        lines = sorted(
            (one.code, one.message, place.line + int(place.source) - 1, place.column) for one, place in found
        )
        assert lines == expected, [name for name, _ in order]


def test_there_are_streams_with_findings() -> None:
    assert len(STREAMS) > 20
    assert {file.parent.name for file in STREAMS} == {"bad", "good"}


TRAINING = """
model_name_or_path: a/b
stage: sft
do_train: true
finetuning_type: full
template: llama3
output_dir: out
dataset: mine
deepspeed: ds/z3.json
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: registry.example.com/a:1.0, volumeMounts: [{name: a, mountPath: /a}]}]
      volumes: [{name: a, persistentVolumeClaim: {claimName: NAME}}]
"""
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: NAME}\nspec: {accessModes: [ReadWriteOnce], "
CLAIM += "resources: {requests: {storage: 1Gi}}}\n"
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  train.yaml: |
    stage: sft
    do_train: true
    template: llama3
    model_name_or_path: a/b
    dataset: mine
    output_dir: out
    lora_rnk: 8
"""
READER = """
apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec:
  template:
    spec:
      restartPolicy: Never
      volumes: [{name: a, configMap: {name: a}}]
      containers:
        - name: a
          image: registry.example.com/a:1.0
          command: [llamafactory-cli, train, /a/train.yaml]
          volumeMounts: [{name: a, mountPath: /a}]
"""
RUNTIME = """
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: a}
spec:
  template:
    spec:
      replicatedJobs:
        - name: node
          template:
            metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
            spec:
              template:
                spec:
                  restartPolicy: Never
                  containers: [{name: node, image: registry.example.com/a:1.0, envv: []}]
"""
TRAIN_JOB = """
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: b}
spec:
  runtimeRef: {name: a, kind: TrainingRuntime, apiGroup: trainer.kubeflow.org}
"""
INFO = '{"mine": {"file_name": "a.json", "formatt": "sharegpt"}}'
STAGE_3 = '{"zero_optimization": {"stage": 3, "stage4_gather_16bit_weights_on_model_save": true}}'

REFERENCES = {
    "a misspelled claim": ({"a": JOB.replace("NAME", "modle"), "b": CLAIM.replace("NAME", "model")}, ["FTC859"]),
    "a misspelled claim, while another job uses the similar one": (
        {"a": JOB.replace("NAME", "modle"), "b": CLAIM.replace("NAME", "model"), "c": JOB.replace("NAME", "model")},
        [],
    ),
    # Found once, although the ConfigMap and the pod are in two files.
    "a file of a ConfigMap that a pod reads": ({"a": CONFIG, "b": READER}, ["FTC404"]),
    "a runtime that a TrainJob uses": ({"a": RUNTIME, "b": TRAIN_JOB}, ["FTC801"]),
    "a patch of a kustomization": (
        {"k/kustomization.yaml": "patches: [{path: job.yaml}]\n", "k/job.yaml": JOB.replace("spec:", "spce:")},
        ["FTC002"],
    ),
    "the files that a training names": (
        {"train.yaml": TRAINING, "ds/z3.json": STAGE_3, "data/dataset_info.json": INFO},
        ["FTC452", "FTC829"],
    ),
    "a training of another directory, and one candidate for its file": (
        {"x/train.yaml": TRAINING, "y/data/dataset_info.json": INFO},
        ["FTC452"],
    ),
    "a training of another directory, and two candidates for its file": (
        {"x/train.yaml": TRAINING, "y/data/dataset_info.json": INFO, "z/data/dataset_info.json": INFO},
        [],
    ),
}


@pytest.mark.parametrize(("files", "codes"), REFERENCES.values(), ids=REFERENCES)
def test_the_order_of_the_files_does_not_matter(files: dict[str, str], codes: list[str]) -> None:
    expected = sorted(map(str, found_in(files)))
    assert sorted(one.code for one in found_in(files)) == codes
    for order in permutations(files.items()):
        assert sorted(map(str, found_in(dict(order)))) == expected


SERVICE, PODS = (cases.CORPUS / "good" / "FTC869-service-and-subdomain.yaml").read_text().split("---\n")
OTHER = SERVICE.replace("name: ddp\nspec", "name: other\nspec")


@pytest.mark.parametrize(
    "kind",
    [
        "kind: Service",
        "kind: services",
        "kind: 'Service' # a comment",
        '"kind": "Service"',
        '? "kind"\n: Service',
        "? kind # a comment\n# another\n: Service",
        "x: &a kind\n*a : Service",
        "kind : Service",
        "kind:\n  Service",
        "kind: &a Service",
        "kind: !!str Service",
        '"\\x6bind": Service',
        '? "kin\\\n  d"\n: Service',
        'kind: "Servi\\u0063e"',
        'kind: "Servic\\\n  e"',
        "kind: \u017fervice",
    ],
)
def test_an_object_in_a_later_file_is_found_in_any_spelling(kind: str) -> None:
    text = OTHER.replace("kind: Service", kind)
    assert "FTC869" in {one.code for one in found_in({"a": PODS, "b": text})}


def test_the_memory_does_not_grow_with_the_number_of_files() -> None:
    # In another process, because servers of other tests may still have threads here.
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        grown = other.submit(_growth).result()
    assert grown < 2_000, "bytes for a file of 100,000: its name, and objects that Python keeps for reuse"


def _growth() -> float:
    """The bytes that the peak grows by for each file."""
    _peak(1)  # loads the schemas
    # Caches that grow once are not memory of files: the lesser of two peaks.
    few, many = (min(_peak(number), _peak(number)) for number in (50, 200))
    return (many - few) / 150


def _peak(number: int) -> int:
    """The peak of the memory in bytes; a file is written when lint reads it, as one on a disk is read."""

    class Jobs:
        def __len__(self) -> int:
            return number

        def __getitem__(self, index: int) -> tuple[str, bytes]:
            return f"{index}.yaml", f"{PODS}#{index}{'.' * 100_000}\n".encode()

    gc.disable()  # as in the command: nothing may need a collector
    tracemalloc.start()
    try:
        assert lint(Jobs(), NEWEST) == ()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()
