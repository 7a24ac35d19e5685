"""The devices that serve a model, and the length of its conversations."""

from __future__ import annotations

import pytest

from ftc.driver import Request, compile_job
from ftc.estimate.serving import Size, size

GIB = 2**30
MEMORY = ": choose hardware with more memory, or a smaller model"


def sized(*overrides: str) -> Size | str:
    """The size for a configuration."""
    spec = compile_job(Request(overrides, targets=())).spec
    assert spec is not None
    return size(spec)


def test_a_small_model_is_served_by_one_device_with_its_whole_context() -> None:
    assert sized("model=qwen3-8b", "hardware=a100-80gb") == Size(1, 40960)


def test_the_fewest_devices_hold_the_weights_and_the_rest_is_for_the_conversation() -> None:
    # 32.8 billion weights are 61 GiB in 16 bits: more than one device of 40 GB. Of the 64 layers each token keeps the
    # keys and values of 8 heads of 128, half of them on each of two devices.
    found = sized("model=qwen3-32b", "hardware=a100-40gb")
    assert isinstance(found, Size)
    assert found.devices == 2
    per_token = 2 * 2 * 64 * (8 // 2) * 128
    free = 0.9 * 40960 / 1024 * GIB - 2 * GIB - 32_762_123_264
    assert found.length is not None
    assert 0 <= free / per_token - found.length < 256


def test_more_devices_on_request_make_longer_conversations() -> None:
    found = sized("model=qwen3-32b", "hardware=a100-40gb", "devices=4")
    assert found == Size(4, 40960)


def test_heads_are_split_evenly() -> None:
    # 14 heads of queries and 2 of keys: 1, 2 or 14 devices, but not 4 or 8
    assert sized("model=qwen2.5-0.5b-instruct", "hardware=a100-40gb", "devices=3") == (
        "the 14 heads of queries and 2 of keys cannot be split between 3 devices or more: set devices to 1 or 2"
    )
    # 28 heads of queries and 4 of keys
    said = sized("model=qwen2.5-7b-instruct", "hardware=h100", "devices=8")
    assert isinstance(said, str)
    assert said.endswith("cannot be split between 8 devices or more: set devices to 1 or 2 or 4")
    said = sized("model=qwen2.5-7b-instruct", "hardware=h100", "devices=8", "hardware.device.counts=[8]")
    assert isinstance(said, str)
    assert said.endswith("cannot be split between 8 devices or more: choose other hardware")


def test_one_node_serves_a_model() -> None:
    assert sized("model=qwen3-8b", "nodes=2") == "the pods of one node serve a model, but nodes is 2: set nodes=1"


@pytest.mark.parametrize("model", [("model=qwen3-8b",), ("model=custom", "model.id=a/b", "model.template=qwen")])
def test_more_devices_than_a_node_has_are_refused(model: tuple[str, ...]) -> None:
    said = sized(*model, "hardware=h100", "devices=16")
    assert said == "devices is 16, but a node has 8 devices: set fewer devices"


def test_a_model_that_no_node_holds_is_refused_with_the_numbers() -> None:
    said = sized("model=llama-3.3-70b-instruct", "hardware=rtx-4090", "hardware.device.per_node=4")
    assert said == "the weights need 131.4 GiB, and a node has 4 devices of 24 GiB" + MEMORY


def test_parts_of_devices_do_not_serve_together() -> None:
    said = sized("model=qwen3-8b", "hardware=alauda-2-vgpu", "cluster=alauda-2")
    assert said == "the weights need 15.3 GiB, and a node has 1 device of 8 GiB" + MEMORY


def test_without_the_sizes_of_the_model_the_length_is_left_to_the_server() -> None:
    assert sized("model=custom", "model.id=a/b", "model.template=qwen", "devices=2") == Size(2)
