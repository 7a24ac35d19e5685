"""Which keys change a place of an artifact, as an expert would name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftc.driver import Request, compile_job
from ftc.explain.artifact import Place, address, documents, look, place_of
from ftc.explain.origins import changed, influences, plain, sources, variations
from ftc.explain.paths import Found, find, parse, written
from ftc.plan.build import plan
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS
from ftc.validate import validate
from unit.compiling import ROOT, calls, compiled
from unit.explain.scenarios import NAMES, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ftc.diagnostics.model import KeyPath
    from ftc.explain.origins import Variation

POD = "spec.tasks[0].template.spec"
TRAIN = f"{POD}.containers[train]"
TWO = ("nodes=2", "devices=2")


def moving(path: str, *overrides: str, target: str = "volcano") -> set[str]:
    state = compiled(*overrides)
    spec, run = state.spec, state.run
    assert spec is not None
    assert run is not None
    document, _, inner = path.rpartition(":")
    read = documents(TARGETS[target].text(run), run)
    asked = parse(inner)
    assert asked is not None
    place = place_of({document: read[document]} if document else read, asked)
    assert place is not None
    setters = sources(TARGETS[target], run, place)
    moved = influences(spec, TARGETS[target], place, setters, run)
    set_by = {written(source.key) for source in setters if source.key is not None}
    return set_by | {written(one.path) + ("[*]" if one.any_key else "") for one in moved}


def test_the_limits_of_the_devices() -> None:
    limits = moving(f"{TRAIN}.resources.limits", *TWO)
    assert limits == {
        *("devices", "hardware.device.resource", "hardware.cpu_per_device", "hardware.memory_gib_per_device"),
        *("hardware.device.slices[*]", "network.resource", "storage.model_in_memory_gib"),
    }


def test_one_limit() -> None:
    limit = moving(f'{TRAIN}.resources.limits["nvidia.com/gpu"]', *TWO)
    assert limit == {"devices", "hardware.device.resource"}


def test_the_gang() -> None:
    assert moving("spec.minAvailable", *TWO) == {"nodes", "min_nodes"}


def test_the_processes_of_a_node() -> None:
    assert moving(f"{TRAIN}.env[NPROC_PER_NODE].value", *TWO) == {"devices"}


def test_the_port_of_rank_0() -> None:
    assert moving(f"{TRAIN}.env[MASTER_PORT].value", *TWO) == {"master_port"}


def test_an_argument_of_the_trainer() -> None:
    keys = moving("learning_rate", target="llamafactory")
    assert keys == {"method.arguments.learning_rate", "train.learning_rate"}


def test_an_argument_of_the_trainer_inside_the_manifest() -> None:
    path = 'spec.tasks[0].template.metadata.annotations["ftc.dev/train.yaml"].learning_rate'
    assert moving(path, "train.learning_rate=1.0") == {"train.learning_rate"}


def test_the_template_of_the_merge() -> None:
    assert moving("merge.yaml:template", target="llamafactory") == {"model.template", "method.merge.template"}


def test_the_image_of_every_container() -> None:
    assert moving(f"{TRAIN}.image") == {"image", "cluster.registry"}
    assert moving(f"{POD}.initContainers[fetch-model].image") == {"image", "cluster.registry"}


def test_the_claim_of_the_workspace() -> None:
    assert moving(f"{POD}.volumes[workspace].persistentVolumeClaim.claimName") == {"storage.workspace.claim"}


def test_the_queue() -> None:
    assert moving("spec.queue") == {"cluster.queue"}


def test_a_label() -> None:
    assert moving('metadata.labels["example.com/team"]', "labels={example.com/team: a}") == {
        'labels["example.com/team"]'
    }


def test_the_place_of_a_model() -> None:
    keys = moving(f"{POD}.initContainers[fetch-model].env[TARGET_DIR].value")
    assert {"model.source.repository", "model.source.revision", "storage.cache.path"} <= keys
    assert "dataset.source.repository" not in keys


def test_a_part_of_a_users_fragment() -> None:
    fragment = "pod={spec: {nodeSelector: {disk: ssd}, tolerations: [{key: a, operator: Exists}]}}"
    assert moving(f"{POD}.nodeSelector.disk", fragment) == {"pod.spec.nodeSelector.disk"}
    assert moving(f"{POD}.tolerations[0].key", fragment) == {"pod.spec.tolerations[0].key"}


def test_a_collection_of_several_fragments() -> None:
    fragments = ("cluster.pod={spec: {nodeSelector: {a: x, b: x}}}", "pod={spec: {nodeSelector: {b: y}}}")
    assert moving(f"{POD}.nodeSelector", *fragments) == {
        "cluster.pod.spec.nodeSelector.a",
        "pod.spec.nodeSelector.b",
    }


def test_a_mapping_that_ftc_and_a_fragment_set() -> None:
    fragment = "pod={spec: {containers: [{name: train, resources: {limits: {memory: 500Gi}}}]}}"
    keys = moving(f"{TRAIN}.resources.limits", fragment)
    assert {"pod.spec.containers[0].resources.limits.memory", "hardware.cpu_per_device", "devices"} <= keys
    assert "hardware.memory_gib_per_device" not in keys


def test_the_size_of_a_batch_job() -> None:
    assert moving("Job:spec.parallelism", *TWO, target="job") == {"nodes"}
    assert moving("Job:spec.backoffLimit", *TWO, "restarts=1", target="job") == {"nodes", "restarts"}


def test_the_name_of_a_batch_job_of_several_nodes() -> None:
    fixed = moving("Job:metadata.name", "nodes=2", "naming=fixed", "name=mine", target="job")
    assert fixed == {"name", "naming"}
    with_digest = moving("Job:metadata.name", "nodes=2", target="job")
    assert {"nodes", "image", "train[*]", "cluster.queue"} <= with_digest


def test_no_key_changes_what_the_target_determines() -> None:
    assert moving("kind") == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_variation_of_a_scenario_is_a_spec_with_a_plan(name: str) -> None:
    spec = scenario(name).spec
    assert spec is not None
    data = plain(spec)
    seen = set()
    for variation in variations(data, "name"):
        other = changed(data, variation)
        assert other != data, variation
        plan(msgspec.convert(other, JobSpec))
        seen.add(variation.path)
    assert {path for path in scalars(data) if path[-1] != "kind"} <= seen
    assert data == plain(spec)


def scalars(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all scalars."""
    if not isinstance(value, dict | list):
        yield path
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from scalars(inner, (*path, key))


def test_every_variation_keeps_the_schema() -> None:
    state = scenario(NAMES[0])
    assert state.spec is not None
    assert state.composed is not None
    data = plain(state.spec)
    for variation in variations(data, "name"):
        found = validate(msgspec.structs.replace(state.composed, data=changed(data, variation)))
        # A further dataset needs a name or a description, which is not a rule of the schema.
        assert [one for one in found if "names" not in one.path[-1:] or len(one.path) != 4] == []


@pytest.mark.parametrize("option", sorted(file.stem for file in (ROOT / "conf" / "hardware").glob("*.yaml")))
def test_every_kind_of_hardware_can_be_varied(option: str) -> None:
    spec = compile_job(Request((f"hardware={option}",), targets=())).spec
    assert spec is not None
    data = plain(spec)
    for variation in variations(data, "limits"):
        if variation.path[0] == "hardware":
            plan(msgspec.convert(changed(data, variation), JobSpec))


PLACES = (
    *("metadata.labels", "spec.minAvailable", "spec.tasks[0].replicas", f"{POD}.nodeSelector", f"{POD}.volumes"),
    *(f"{TRAIN}.image", f"{TRAIN}.env", f"{TRAIN}.resources.limits", f"{POD}.initContainers[0].command"),
)


@pytest.mark.parametrize("name", ["alauda-zero3-4nodes", "aladdin-ddp-torchrun"])
def test_the_search_finds_what_trying_each_key_by_itself_finds(name: str) -> None:
    spec = scenario(name).spec
    assert spec is not None
    spec = msgspec.structs.replace(spec, labels={"a": "x", "b": "y"}, env={"A": "1", "B": "2"})
    volcano = TARGETS["volcano"]
    (read,) = documents(volcano.text(plan(spec)), plan(spec)).values()
    places = {text: found.path for text in PLACES if (found := place_of({"Job": read}, parse(text) or ()))}
    expected = tried_by_themselves(spec, tuple(places.values()))
    for text, path in places.items():
        place = Place("Job", path)
        moved = influences(spec, volcano, place, sources(volcano, plan(spec), place))
        assert {one.path for one in moved} == expected[path], text
    assert len(places) > len(PLACES) / 2


def tried_by_themselves(spec: JobSpec, paths: Sequence[KeyPath]) -> dict[KeyPath, set[KeyPath]]:
    """For each path the keys (of an added key, its map) that change the emitted text there."""
    data = plain(spec)
    (whole,) = documents(TARGETS["volcano"].text(plan(spec)), plan(spec)).values()
    addresses = [address(whole, path) for path in paths]
    before = [look(whole, one) for one in addresses]
    moved: dict[str, list[bool]] = {}  # of each variation, whether it changes each path

    def moves(one: Variation, index: int) -> bool:
        if repr(one) not in moved:
            run = plan(msgspec.convert(changed(data, one), JobSpec))
            (read,) = documents(TARGETS["volcano"].text(run), run).values()
            moved[repr(one)] = [look(read, there) != then for there, then in zip(addresses, before, strict=True)]
        return moved[repr(one)][index]

    found = {}
    for index, path in enumerate(paths):
        added = next(step for step in reversed(path) if isinstance(step, str))
        moving = [one for one in variations(data, added) if one.path[:1] != ("pod",) and moves(one, index)]
        maps = {one.path[:-1] for one in moving if one.any_key}
        found[path] = maps | {one.path for one in moving if one.path[:-1] not in maps or is_set(data, one.path)}
    return found


def is_set(data: Any, path: KeyPath) -> bool:
    return isinstance(find(data, path), Found)


@pytest.mark.parametrize("name", NAMES)
def test_all_variations_at_once_are_a_spec_with_a_plan(name: str) -> None:
    spec = scenario(name).spec
    assert spec is not None
    data = plain(spec)
    once = {one.path: one for one in variations(data, "name") if not one.is_switch}
    plan(msgspec.convert(changed(data, *once.values()), JobSpec))
    marked = [text for one in once.values() if (text := one.marked("ftc1ftc"))]
    plan(msgspec.convert(changed(data, *marked), JobSpec))


@pytest.mark.parametrize("path", ["spec.minAvailable", f"{TRAIN}.env", "spec"])
def test_four_times_as_many_keys_are_four_times_the_work(path: str) -> None:
    few, many = (calls(search_among(count, path)) for count in (100, 400))
    assert many < 4 * few


def search_among(variables: int, path: str) -> Callable[[], object]:
    spec = compiled(*TWO).spec
    assert spec is not None
    spec = msgspec.structs.replace(spec, env={f"NAME_{number}": "value" for number in range(variables)})
    volcano, run = TARGETS["volcano"], plan(spec)
    place = place_of(documents(volcano.text(run), run), parse(path) or ())
    assert place is not None
    return lambda: influences(spec, volcano, place, sources(volcano, run, place))
