"""One mistake made thousands of times costs seconds, and is reported with the number of the others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ftc.plan.merge import merge
from unit.compiling import conf, ftc

if TYPE_CHECKING:
    from pathlib import Path

MANY = 4000
SECONDS = 10  # of the processor: a busy machine is not a hang
JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {spec: {restartPolicy: Never, "


def each(text: str) -> str:
    return ", ".join(text.replace("@", str(number)) for number in range(MANY))


CONFS = {
    "arguments": (f"train: {{{each('k@: 0')}}}", f"{MANY - 21} more keys"),
    "keys of the spec": (each("k@: 0").replace(", ", "\n"), f"{MANY - 21} more keys"),
    "fields of a fragment": (f"pod: {{spec: {{{each('k@: 0')}}}}}", f"{MANY - 21} more keys"),
    "names of variables": (f"env: {{{each('k-@: x')}}}", "more findings like this one"),
    "literal credentials": (f"env: {{{each('K@_TOKEN: abcdef@')}}}", "more findings like this one"),
    "datasets": (f"dataset: {{names: [{each('d@')}], info: {{{each('e@: {file_name: a}')}}}}}", "more findings like"),
    "tolerations": (f"pod: {{spec: {{tolerations: [{each('{kye: a}')}]}}}}", "more findings like this one"),
}
MANIFESTS = {
    "fields of a pod": f"{JOB}{each('k@: 0')}, containers: [{{name: a, image: b}}]}}}}}}\n",
    "arguments of a trainer": "model_name_or_path: /m\nstage: sft\nfinetuning_type: lora\ndataset: a\noutput_dir: o\n"
    + each("k@: 0").replace(", ", "\n"),
}


@pytest.mark.parametrize("name", CONFS)
def test_a_conf_file_of_mistakes_is_read_within_seconds(name: str, tmp_path: Path) -> None:
    text, more = CONFS[name]
    place = conf(tmp_path, {"x": f"defaults: [config, _self_]\n{text}\n"})
    begun = time.process_time()
    said = ftc("compile", "--config-dir", place, "-c", "x")
    assert time.process_time() - begun < SECONDS
    assert more in said.stderr
    assert said.stderr.count("[FTC") <= 150


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_of_mistakes_is_read_within_seconds(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(MANIFESTS[name])
    begun = time.process_time()
    said = ftc("lint", str(file))
    assert time.process_time() - begun < SECONDS
    assert f"{MANY - 21} more keys" in said.stdout


def test_lists_are_merged_in_time_that_grows_with_their_length() -> None:
    items = [{"name": f"v{number}", "emptyDir": {}} for number in range(MANY)]
    over = [{"name": f"v{number}", "hostPath": {"path": "/a"}} for number in range(1, MANY + 1)]
    begun = time.process_time()
    merged = merge({"volumes": items}, {"volumes": over})["volumes"]
    assert time.process_time() - begun < SECONDS
    assert len(merged) == MANY + 1
    assert merged[0] == items[0]
    assert merged[1:] == over
