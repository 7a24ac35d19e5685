"""A model that is copied into memory is read from there, and fits there."""

from __future__ import annotations

from unit.compiling import COMMAND, document, pod, trainer, variables

STAGED = ("model=qwen3-8b", "devices=2", "storage.model_in_memory_gib=18")


def test_the_trainer_and_the_merge_read_the_copy() -> None:
    for file in ("train.yaml", "merge.yaml"):
        assert document(file, *STAGED)["model_name_or_path"].startswith("/dev/shm/ftc/qwen3-8b-")  # noqa: S108 - in the pod


def test_a_command_finds_the_copy() -> None:
    container = trainer(*COMMAND, *STAGED)
    assert container["command"] == ["bash", "/etc/ftc/stage.sh", "bash", "/etc/ftc/launch.sh"]
    given = variables(container)
    assert given["MODEL_DIR"] == given["STAGE_TO"]
    assert given["STAGE_FROM"].startswith("/workspace/")


def test_shared_memory_and_the_limit_grow_by_it() -> None:
    sizes = []
    for overrides in (STAGED, STAGED[:2]):
        (shm,) = [volume for volume in pod(*overrides)["volumes"] if volume["name"] == "shm"]
        memory = trainer(*overrides)["resources"]["limits"]["memory"]
        sizes.append((int(shm["emptyDir"]["sizeLimit"].removesuffix("Gi")), int(memory.removesuffix("Gi"))))
    (staged_shm, staged_memory), (shm_alone, memory_alone) = sizes
    assert (staged_shm - shm_alone, staged_memory - memory_alone) == (18, 18)


def test_without_it_nothing_is_copied() -> None:
    assert "stage.sh" not in str(pod("model=qwen3-8b"))
