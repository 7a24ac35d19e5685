"""The models of conf/: their sizes are consistent, and the trainer has their templates."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from unit.compiling import ROOT, document

SHIPPED = sorted(file.stem for file in (ROOT / "conf" / "model").glob("*.yaml"))
MODELS = [name for name in SHIPPED if name not in ("custom", "none")]


def architecture(name: str) -> Any:
    return document("spec.yaml", f"model={name}")["model"]["architecture"]


# The width of the block that all tokens use in addition to their experts (shared_expert_intermediate_size).
SHARED = {"llama-4-scout-17b-16e-instruct": 8192, "glm-4.5-air": 1408, "qwen3.5-35b-a3b": 512}


def counted(sizes: Any, shared: int) -> int:
    """The parameters of a decoder with gated feed-forward blocks, computed from its sizes, and those of the tower."""
    hidden, experts = sizes["hidden_size"], sizes["experts"]
    queries, keys = (sizes[heads] * sizes["head_size"] for heads in ("attention_heads", "kv_heads"))
    attention = hidden * (2 * queries + 2 * keys)
    block = 3 * hidden * sizes["intermediate_size"]
    if experts is not None:
        block = experts["count"] * (3 * hidden * experts["intermediate_size"] + hidden) + 3 * hidden * shared
    embeddings = sizes["vocabulary"] * hidden * (1 if sizes["tied_embeddings"] else 2)
    return int(embeddings + sizes["layers"] * (attention + block) + sizes["vision_parameters"])


@pytest.mark.parametrize("name", MODELS)
def test_the_parameters_follow_from_the_other_sizes(name: str) -> None:
    sizes = architecture(name)
    assert counted(sizes, SHARED.get(name, 0)) == pytest.approx(sizes["parameters"], rel=0.03)


@pytest.mark.parametrize("name", MODELS)
def test_heads_and_towers_are_whole(name: str) -> None:
    sizes = architecture(name)
    assert sizes["attention_heads"] % sizes["kv_heads"] == 0
    assert (sizes["vision_parameters"] > 0) == ("image" in sizes["modalities"])
    assert "text" in sizes["modalities"]


@pytest.mark.parametrize("pair", ["0.9.3+4.51.1", "0.9.5+5.6.0"])
@pytest.mark.parametrize("name", MODELS)
def test_the_template_is_the_trainers_or_the_file_says_of_which_release(name: str, pair: str) -> None:
    known = json.loads((ROOT / "schemas" / "llamafactory" / f"{pair}.templates.json").read_text())["templates"]
    line = re.findall(r"^template: (\S+)(.*)$", (ROOT / "conf" / "model" / f"{name}.yaml").read_text(), re.MULTILINE)
    ((template, comment),) = line
    assert (template in known) != ("LLaMA-Factory" in comment and pair.startswith("0.9.3"))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_transformers_4_51_1_lacks_names_the_release_that_has_it(name: str) -> None:
    since = {
        "glm-4-": "4.51.3",
        "glm-4.5": "4.54.0",
        "gpt-oss": "4.55.0",
        "internvl3": "4.52.0",
        "ministral-3": "5.0.0",
        "qwen2.5-omni": "4.52.0",
        "qwen3-vl-": "4.57.0",
        "qwen3.5": "5.5.4",
    }
    expected = next((release for family, release in since.items() if name.startswith(family)), None)
    assert document("spec.yaml", f"model={name}")["model"]["transformers"] == expected


@pytest.mark.parametrize("name", MODELS)
def test_the_models_whose_license_the_hub_asks_for_are_gated(name: str) -> None:
    owner = document("spec.yaml", f"model={name}")["model"]["id"].partition("/")[0]
    families = ("meta-llama", "mistralai")
    assert document("spec.yaml", f"model={name}")["model"]["gated"] is (owner in families or name.startswith("gemma-"))


def test_there_are_small_ones_and_large_ones_of_every_family() -> None:
    families = ("qwen2.5-", "qwen2.5-vl", "qwen3-", "qwen3-vl", "llama-3", "deepseek-r1-distill", "glm-4", "gemma-3")
    for family in (*families, "internlm", "internvl", "mistral", "phi-4"):
        assert len([name for name in MODELS if name.startswith(family)]) >= 2, family
    sizes = sorted(architecture(name)["parameters"] for name in MODELS)
    assert sizes[0] < 10**9
    assert sizes[-1] > 70 * 10**9


def test_a_model_of_ones_own_needs_no_sizes() -> None:
    assert (
        document("spec.yaml", "model=custom", "model.id=a/b", "model.template=default")["model"]["architecture"] is None
    )
