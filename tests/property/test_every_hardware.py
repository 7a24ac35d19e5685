"""Every kind of hardware compiles with a user's command and nothing else."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, ROOT, compiled, pod, trainer

HARDWARE = sorted(file.stem for file in (ROOT / "conf" / "hardware").glob("*.yaml"))


def test_the_number_of_options() -> None:
    assert len(HARDWARE) >= 59


# HAMi allocates the dies of a 910C in pairs.
LEAST = {"ascend-910c-hami": 2}


@pytest.mark.parametrize("option", HARDWARE)
def test_a_command_compiles_on_any_hardware(option: str) -> None:
    devices = LEAST.get(option, 1)
    choice = (f"hardware={option}", f"devices={devices}", *COMMAND)
    state = compiled(*choice)
    assert state.spec is not None
    device = state.spec.hardware.device
    limits = trainer(*choice)["resources"]["limits"]
    if device is None:
        assert option == "cpu"
        assert [name for name in limits if "/" in name] == []
    else:
        assert int(limits[device.resource]) == devices


@pytest.mark.parametrize("option", HARDWARE)
def test_a_download_requests_no_device(option: str) -> None:
    devices = f"devices={LEAST.get(option, 1)}"
    fetching = pod(f"hardware={option}", devices, *COMMAND, "model=qwen3-8b")["initContainers"]
    assert fetching
    assert [name for container in fetching for name in container["resources"]["limits"] if "/" in name] == []
