"""Misspelled variables of the libraries are found; those of other programs, and of later versions, are not."""

from __future__ import annotations

import json

import pytest

from ftc.rules.pod.libraries import misspelled
from unit.compiling import ROOT

DATA = json.loads((ROOT / "schemas" / "variables.json").read_bytes())


@pytest.mark.parametrize(
    ("written", "library", "meant"),
    [
        ("NCCL_SOCKET_IFNANE", "NCCL", "NCCL_SOCKET_IFNAME"),
        ("NCCL_IB_DISBALE", "NCCL", "NCCL_IB_DISABLE"),
        ("NCLL_DEBUG", "NCCL", "NCCL_DEBUG"),
        ("HCCL_CONNECT_TIME_OUT", "HCCL", "HCCL_CONNECT_TIMEOUT"),
        ("TORCH_CUDA_ALLOC_CONF", "PyTorch", "PYTORCH_CUDA_ALLOC_CONF"),
        ("TORCH_NCCL_ASYNC_EROR_HANDLING", "PyTorch", "TORCH_NCCL_ASYNC_ERROR_HANDLING"),
        ("GLOO_SOCKET_IFNAM", "PyTorch", "GLOO_SOCKET_IFNAME"),
        ("HF_HOEM", "Hugging Face", "HF_HOME"),
        ("HF_HUB_ENABLE_HF_TRANFER", "Hugging Face", "HF_HUB_ENABLE_HF_TRANSFER"),
        ("HF_DATASET_OFFLINE", "Hugging Face", "HF_DATASETS_OFFLINE"),
    ],
)
def test_a_misspelled_variable_is_found(written: str, library: str, meant: str) -> None:
    assert misspelled(written) == (library, meant)


@pytest.mark.parametrize(
    "written",
    [
        *("HF_TOKEN_2", "HF_TOKEN2", "HF_MODEL", "HF_TOKEN_FILE", "HF_CACHE", "NCCL_NEW_SETTING", "TORCH_THREADS"),
        *("MCCL_SOCKET_IFNAME", "BKCL_SOCKET_IFNAME", "CUDA_VISIBLE_DEVICE", "TORCHINDUCTOR_CACHE_DIR", "MODEL_DIR"),
        *("RCCL_DEBUG", "XCCL_SOCKET_IFNAME", "SOCKET_IFNAME", "HF", "NCCL_", "_", ""),
    ],
)
def test_other_names_are_not(written: str) -> None:
    assert misspelled(written) is None


@pytest.mark.parametrize("library", DATA)
def test_the_names_of_a_library_have_its_prefixes_and_are_known(library: str) -> None:
    names = DATA[library]["names"]
    assert names == sorted(set(names))
    assert [name for name in names if misspelled(name)] == []
    others = ("HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_")
    assert [name for name in names if not name.startswith((*DATA[library]["prefixes"], *others))] == []
