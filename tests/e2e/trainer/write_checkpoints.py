"""Write checkpoints with torch, safetensors, transformers and peft: `python -m e2e.trainer.write_checkpoints`.

Reads the directory as JSON from standard input, and answers with the names of the kinds.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from e2e.tiny_model import torch, transformers

peft, checkpoint = (importlib.import_module(name) for name in ("peft", "torch.distributed.checkpoint"))


def model() -> Any:
    """A model with a few layers."""
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "head_dim": 8}
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**sizes, num_attention_heads=4, num_key_value_heads=2)
    )


def write_progress(directory: Path, made: Any, optimizer: str | None = "optimizer.pt") -> None:
    """The files that the trainer writes after the weights, its state last."""
    made_optimizer = torch.optim.AdamW(made.parameters())
    scheduler = torch.optim.lr_scheduler.ConstantLR(made_optimizer)
    sum(parameter.sum() for parameter in made.parameters() if parameter.requires_grad).backward()
    made_optimizer.step()
    if optimizer:
        torch.save(made_optimizer.state_dict(), directory / optimizer)
    torch.save(scheduler.state_dict(), directory / "scheduler.pt")
    torch.save({"python": 1, "cpu": torch.random.get_rng_state()}, directory / "rng_state.pth")
    arguments = transformers.TrainingArguments(output_dir=str(directory), use_cpu=True)
    torch.save(arguments, directory / "training_args.bin")
    state = transformers.TrainerState(global_step=10, log_history=[{"loss": float("nan")}])
    state.save_to_json(str(directory / "trainer_state.json"))


def write_all(root: Path) -> list[str]:
    """One checkpoint of each kind."""
    full = model()
    full.save_pretrained(root / "full")
    full.save_pretrained(root / "shards", max_shard_size="20KB")
    adapter = peft.get_peft_model(model(), peft.LoraConfig(target_modules="all-linear"))
    adapter.save_pretrained(root / "lora")
    (root / "bin").mkdir()
    torch.save(full.state_dict(), root / "bin" / "pytorch_model.bin")
    (root / "fsdp-sharded").mkdir()
    for name in ("pytorch_model_fsdp_0", "optimizer_0"):
        writer = checkpoint.FileSystemWriter(root / "fsdp-sharded" / name)
        checkpoint.save({"model": full.state_dict()}, storage_writer=writer, no_dist=True)
    kinds = {"full": full, "shards": full, "lora": adapter, "bin": full, "fsdp-sharded": full}
    for kind, made in kinds.items():
        write_progress(root / kind, made, None if kind == "fsdp-sharded" else "optimizer.pt")
    return list(kinds)


if __name__ == "__main__":
    json.dump(write_all(Path(json.load(sys.stdin))), sys.stdout)
