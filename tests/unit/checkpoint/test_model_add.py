"""`ftc model add` writes an option for a local model, and says what is wrong with its files; it trusts none of them."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.checkpoint import weights
from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

QWEN3 = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
    "transformers_version": "4.51.0",
}
EMBEDDING = {"model.embed_tokens.weight": ("BF16", [151936, 1024])}
LAYER = {
    "model.layers.0.self_attn.q_norm.weight": ("BF16", [128]),
    "model.layers.0.mlp.up_proj.weight": ("BF16", [3072, 1024]),
}
SMALL = {**EMBEDDING, **LAYER}
COUNT = 151936 * 1024 + 128 + 3072 * 1024


def write_header(file: Path, tensors: dict[str, tuple[str, list[Any]]]) -> None:
    """A safetensors file without the weights, which are not read."""
    header = {name: {"dtype": kind, "shape": shape, "data_offsets": [0, 0]} for name, (kind, shape) in tensors.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)


def model(tmp_path: Path, config: object = QWEN3, tensors: dict[str, tuple[str, list[Any]]] | None = None) -> Path:
    directory = tmp_path / "our-model"
    directory.mkdir()
    (directory / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    write_header(directory / "model.safetensors", SMALL if tensors is None else tensors)
    return directory


def added(tmp_path: Path, directory: Path, *more: str) -> dict[str, Any]:
    """The option that the command writes."""
    conf = tmp_path / "conf"
    said = ftc("model", "add", str(directory), "--conf", str(conf), *more)
    assert said.exit_code == 0, said
    option: dict[str, Any] = yaml.safe_load((conf / "model" / "our-model.yaml").read_text())
    return option


def refused(tmp_path: Path, directory: Path, *more: str) -> str:
    said = ftc("model", "add", str(directory), "--conf", str(tmp_path / "conf"), *more)
    assert said.exit_code == 1, said
    assert not (tmp_path / "conf").exists()
    assert "Traceback" not in said.stderr
    return said.stderr


TEMPLATE = ("--template", "qwen3")


def test_the_sizes_of_the_files_are_in_the_option(tmp_path: Path) -> None:
    option = added(tmp_path, model(tmp_path), *TEMPLATE, "--path", "/workspace/models/our-model")
    assert option["id"] == "our-model"
    assert option["source"] == {"path": "/workspace/models/our-model"}
    assert option["template"] == "qwen3"
    assert option["architecture"] == {
        "parameters": COUNT,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "layers": 28,
        "attention_heads": 16,
        "kv_heads": 8,
        "head_size": 128,
        "vocabulary": 151936,
        "context_length": 40960,
        "tied_embeddings": True,
        "qk_norm": True,
    }
    assert "transformers" not in option  # 4.51.1, the oldest known release, has it


def test_the_option_compiles(tmp_path: Path) -> None:
    added(tmp_path, model(tmp_path), *TEMPLATE, "--path", "/workspace/models/our-model")
    said = ftc("plan", "--config-dir", str(tmp_path / "conf"), "model=our-model", "--format", "json")
    assert said.exit_code == 0, said
    assert json.loads(said.stdout)["memory"]["total_mib"] > 0


def test_a_repository_is_downloaded_from_the_hub(tmp_path: Path) -> None:
    option = added(tmp_path, model(tmp_path), "--id", "Qwen/Qwen3-0.6B", "--name", "our-model")
    assert option["defaults"][0] == {"/source@source": "huggingface"}
    assert option["template"] == "qwen3"  # LLaMA-Factory's table has the repository
    assert "source" not in option


def test_a_copy_of_the_embeddings_is_not_counted(tmp_path: Path) -> None:
    copied = {**SMALL, "lm_head.weight": ("BF16", [151936, 1024])}
    assert added(tmp_path, model(tmp_path, tensors=copied), *TEMPLATE)["architecture"]["parameters"] == COUNT


def test_without_an_output_layer_the_embeddings_are_tied(tmp_path: Path) -> None:
    silent = {key: value for key, value in QWEN3.items() if key != "tie_word_embeddings"}
    assert added(tmp_path, model(tmp_path, silent), *TEMPLATE)["architecture"]["tied_embeddings"] is True


def test_a_tower_experts_and_modalities(tmp_path: Path) -> None:
    text = {**QWEN3, "model_type": "qwen3_vl_moe_text", "num_experts": 4, "num_experts_per_tok": 2}
    config = {
        "model_type": "qwen3_vl_moe",
        "text_config": {**text, "moe_intermediate_size": 768},
        "vision_config": {"depth": 2},
        "video_token_id": 7,
        "transformers_version": "4.57.0.dev0",
    }
    tensors = {**SMALL, "model.visual.patch_embed.weight": ("BF16", [10, 20]), "lm_head.weight": ("BF16", [5, 2])}
    option = added(tmp_path, model(tmp_path, config, tensors), "--template", "qwen3_vl")
    sizes = option["architecture"]
    assert sizes["vision_parameters"] == 200
    assert sizes["modalities"] == ["text", "image", "video"]
    assert sizes["experts"] == {"count": 4, "per_token": 2, "intermediate_size": 768}
    assert option["transformers"] == "4.57.0"  # the release that wrote the file has it


def test_linear_attention(tmp_path: Path) -> None:
    sizes = {"linear_num_value_heads": 16, "linear_key_head_dim": 128, "linear_value_head_dim": 64}
    config = {**QWEN3, **sizes, "layer_types": ["linear_attention", "linear_attention", "full_attention"]}
    found = added(tmp_path, model(tmp_path, config), *TEMPLATE)["architecture"]["linear_attention"]
    assert found == {"layers": 2, "heads": 16, "key_size": 128, "value_size": 64}


@pytest.mark.parametrize(
    ("quantization", "tensor", "bits"),
    [
        ({"quant_method": "gptq", "bits": 4}, ("mlp.up_proj.qweight", ("I32", [128, 3072])), 4),
        ({"quant_method": "awq", "bits": 4}, ("mlp.up_proj.qweight", ("I32", [1024, 384])), 4),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ("mlp.up_proj.weight", ("U8", [1572864, 1])), 4),
        ({"quant_method": "fp8"}, ("mlp.up_proj.weight", ("F8_E4M3", [3072, 1024])), None),
        ({"quant_method": "mxfp4"}, ("mlp.experts.gate_up_proj_blocks", ("U8", [1572864])), None),
    ],
)
def test_packed_weights_are_counted(
    tmp_path: Path, quantization: dict[str, Any], tensor: tuple[str, tuple[str, list[Any]]], bits: int | None
) -> None:
    name, packed = tensor
    others = {"mlp.up_proj.scales": ("F16", [9, 9]), "mlp.up_proj.weight_scale_inv": ("F32", [9])}
    tensors = {**EMBEDDING, name: packed, **others}
    config = {**QWEN3, "quantization_config": quantization}
    sizes = added(tmp_path, model(tmp_path, config, tensors), *TEMPLATE)["architecture"]
    assert sizes["parameters"] == 151936 * 1024 + 3072 * 1024
    assert sizes.get("quantized_bits") == bits


def test_several_files_are_found_by_their_index(tmp_path: Path) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors").unlink()
    places = {name: f"model-{'0' if name in EMBEDDING else '1'}.safetensors" for name in SMALL}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    write_header(directory / "model-0.safetensors", EMBEDDING)
    write_header(directory / "model-1.safetensors", LAYER)
    assert added(tmp_path, directory, *TEMPLATE)["architecture"]["parameters"] == COUNT


def test_without_the_weights_the_index_has_their_size(tmp_path: Path) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors").unlink()
    index = {"metadata": {"total_size": 2 * COUNT}, "weight_map": dict.fromkeys(SMALL, "model-1.safetensors")}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    sizes = added(tmp_path, directory, *TEMPLATE)["architecture"]
    assert (sizes["parameters"], sizes["qk_norm"]) == (COUNT, True)


def test_what_cannot_be_known_is_said(tmp_path: Path) -> None:
    config = {**QWEN3, "model_type": "our_own", "auto_map": {"AutoModel": "code.Model"}}
    said = ftc("model", "add", str(model(tmp_path, config)), "--conf", str(tmp_path / "conf"), *TEMPLATE)
    for words in ("gated:", "trust_remote_code", "source.path:"):
        assert words in said.stderr
    assert "trust_remote_code" not in (tmp_path / "conf" / "model" / "our-model.yaml").read_text()


def test_an_ambiguous_template_is_asked_for(tmp_path: Path) -> None:
    text = refused(tmp_path, model(tmp_path))
    assert "template: llamafactory 0.9.5 has 2 templates for models of the type qwen3" in text
    assert "--template: qwen3, qwen3_nothink" in text


def test_every_problem_is_reported_at_its_key(tmp_path: Path) -> None:
    config = {**QWEN3, "hidden_size": "1024", "num_hidden_layers": -1, "num_experts": 4, "moe_intermediate_size": 1.5}
    del config["vocab_size"]
    text = refused(tmp_path, model(tmp_path, config), *TEMPLATE)
    for line in (
        'config.json: hidden_size: is "1024", not a whole number',
        "config.json: num_hidden_layers: is -1, not a whole number",
        "config.json: vocab_size: is missing",
        "config.json: num_experts_per_tok: is missing, but num_experts is 4",
        "config.json: moe_intermediate_size: is 1.5",
    ):
        assert line in text


def test_problems_of_both_files_are_reported(tmp_path: Path) -> None:
    directory = model(tmp_path, {**QWEN3, "hidden_size": 0})
    (directory / "model.safetensors").write_bytes(b"")
    text = refused(tmp_path, directory)
    for words in ("hidden_size: is 0", "does not start with the header", "--template: qwen3, qwen3_nothink"):
        assert words in text


def test_a_size_that_is_missing_can_be_given(tmp_path: Path) -> None:
    config = {key: value for key, value in QWEN3.items() if key not in ("vocab_size", "num_attention_heads")}
    sizes = added(tmp_path, model(tmp_path, config), *TEMPLATE, "vocabulary=500", "attention_heads=16")["architecture"]
    assert (sizes["vocabulary"], sizes["attention_heads"]) == (500, 16)


@pytest.mark.parametrize(
    "word", ["vocabulary", "vocabulary=", "vocabulary=0", "vocabulary=x", "size=1", "vocabulary=²"]
)
def test_a_size_is_a_name_and_a_number(tmp_path: Path, word: str) -> None:
    assert ftc("model", "add", str(model(tmp_path)), word, *TEMPLATE).exit_code == 2


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ("[" * 100_000, "is not JSON"),
        ("version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs"),
        (" " * (5 << 20), "is larger than 4 MiB"),
        ('{"quantization_config": {"quant_method": "\\u001b[31m"}}', "quantization_config: has the quant_method"),
    ],
)
def test_a_hostile_config_is_one_line(tmp_path: Path, config: str, words: str) -> None:
    text = refused(tmp_path, model(tmp_path, config), *TEMPLATE)
    assert words in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not start with the header"),
        (struct.pack("<Q", 1 << 60), "does not start with the header"),
        (struct.pack("<Q", 2) + b"{]", "is not JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of git-lfs"),
        (struct.pack("<Q", 13) + b'{"a": [1, 2]}', "has the shape null"),
        (struct.pack("<Q", 30) + b'{"a": {"shape": [-1, 100000]}}', "has the shape"),
        (struct.pack("<Q", 42) + b'{"a": {"shape": [9999999999, 9999999999]}}', "which cannot be right"),
        (struct.pack("<Q", 2) + b"{}", "which cannot be right"),
    ],
)
def test_a_hostile_header_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors").write_bytes(content)
    assert words in refused(tmp_path, directory, *TEMPLATE)


@pytest.mark.parametrize("name", ["../../secret.safetensors", "/etc/passwd", "weights.bin", 7])
def test_an_index_names_files_of_its_directory(tmp_path: Path, name: object) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert "is not the name of a safetensors file" in refused(tmp_path, directory, *TEMPLATE)


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    directory = model(tmp_path)
    (directory / "config.json").unlink()
    os.mkfifo(directory / "config.json")
    assert "is not a file" in refused(tmp_path, directory, *TEMPLATE)


def test_an_existing_option_is_kept(tmp_path: Path) -> None:
    directory = model(tmp_path)
    added(tmp_path, directory, *TEMPLATE)
    command = ("model", "add", str(directory), "--conf", str(tmp_path / "conf"))
    said = ftc(*command, *TEMPLATE)
    assert (said.exit_code, said.stdout.split()[0]) == (0, "kept")
    said = ftc(*command, "--template", "qwen3_nothink")
    assert (said.exit_code, said.stdout) == (1, "")
    file = tmp_path / "conf" / "model" / "our-model.yaml"
    assert said.stderr == f"ftc: {file} exists and differs: choose another name with --name, or remove the file first\n"
    assert "template: qwen3\n" in (tmp_path / "conf" / "model" / "our-model.yaml").read_text()


def test_the_name_of_a_shipped_option_is_refused(tmp_path: Path) -> None:
    said = ftc("model", "add", str(model(tmp_path)), *TEMPLATE, "--name", "qwen3-8b", "--conf", str(tmp_path / "conf"))
    assert said.exit_code == 1
    assert "is shipped with ftc" in said.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--path", "models/our-7b"), "--path: 'models/our-7b' is not an absolute path in the pods"),
        (("--path", "/workspace/../etc"), "--path: '/workspace/../etc' is not an absolute path in the pods"),
        (("--id", "team/models/ours"), "--id: 'team/models/ours' is not a repository on a hub: write owner/name"),
    ],
)
def test_what_the_spec_refuses_is_not_written(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    said = ftc("model", "add", str(model(tmp_path)), *TEMPLATE, "--conf", str(tmp_path / "conf"), *words)
    assert (said.exit_code, said.stdout) == (2, "")
    assert message in said.stderr
    assert not (tmp_path / "conf").exists()


def test_an_unknown_template_is_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, model(tmp_path), "--template", "qwen33")
    assert "template: llamafactory does not have the template 'qwen33'\n" in text
    assert "did you mean" in text


def test_a_config_without_a_model_type_is_said(tmp_path: Path) -> None:
    directory = model(tmp_path, {key: value for key, value in QWEN3.items() if key != "model_type"})
    assert "template: config.json lacks model_type" in refused(tmp_path, directory)
    said = ftc("model", "add", str(directory), *TEMPLATE, "--conf", str(tmp_path / "conf"))
    assert "config.json lacks model_type, without which" in said.stderr


@pytest.mark.parametrize("header", [b"{]", b'{"a": [1, 2]}', b"{}"])
def test_a_problem_of_a_header_is_at_the_file(tmp_path: Path, header: bytes) -> None:
    directory = model(tmp_path)
    file = directory / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header)
    assert refused(tmp_path, directory, *TEMPLATE).startswith(f"{file}: the header")


def test_a_problem_of_one_of_several_headers_is_at_its_file(tmp_path: Path) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors").rename(directory / "model-0.safetensors")
    write_header(directory / "model-1.safetensors", {"lm_head.weight": ("BF16", [-1])})
    places = {"model.embed_tokens.weight": "model-0.safetensors", "lm_head.weight": "model-1.safetensors"}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    text = refused(tmp_path, directory, *TEMPLATE)
    assert text.startswith(f"{directory / 'model-1.safetensors'}: the header: ")


@pytest.mark.parametrize(
    "shape", ["[" + "2," * 20_000 + "2]", "[" + "9999999999999," * 20_000 + "2]", "[" + "1," * 8 + "1]"]
)
def test_a_shape_has_few_dimensions(tmp_path: Path, shape: str) -> None:
    directory = model(tmp_path)
    header = f'{{"a": {{"dtype": "BF16", "shape": {shape}}}}}'.encode()
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "a has the shape" in refused(tmp_path, directory, *TEMPLATE).replace('"', "")


@pytest.mark.parametrize("size", ["1" * 400, "true", "1e999", '"1"', "[]", "-4"])
def test_a_size_in_the_index_that_is_wrong(tmp_path: Path, size: str) -> None:
    directory = model(tmp_path)
    (directory / "model.safetensors").unlink()
    index = f'{{"weight_map": {{"a": "a.safetensors"}}, "metadata": {{"total_size": {size}}}}}'
    (directory / "model.safetensors.index.json").write_text(index)
    assert "metadata: total_size is" in refused(tmp_path, directory, *TEMPLATE)


def test_the_tensors_of_all_files_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_MOST_TENSORS", 3)
    directory = model(tmp_path)
    (directory / "model.safetensors").unlink()
    for name in ("a", "b"):
        write_header(directory / f"{name}.safetensors", {f"{name}.{n}": ("BF16", [1]) for n in range(2)})
    index = {"weight_map": {"a.0": "a.safetensors", "b.0": "b.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "b.safetensors: with the files before it has more than 3 tensors" in refused(tmp_path, directory, *TEMPLATE)
