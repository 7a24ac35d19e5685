"""Count the parameters of models on the meta device: reads configurations, and prints {name: [all, of towers]}.

No memory is used for the weights.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

# Imported dynamically, because type checkers run without these packages.
torch, transformers = (importlib.import_module(name) for name in ("torch", "transformers"))
TOWERS = ("visual.", "vision_", "multi_modal_projector.", "audio_tower.")
CLASSES = ("AutoModelForImageTextToText", "AutoModelForCausalLM")


def model(config: Any) -> Any:
    """The model of a configuration, without weights."""
    name = type(config).__name__.replace("Config", "ForConditionalGeneration")
    with torch.device("meta"):
        if "Thinker" in name:
            return getattr(transformers, name)(config)
        for auto in CLASSES:
            if type(config) in getattr(transformers, auto)._model_mapping:  # noqa: SLF001 - the mapping is private
                return getattr(transformers, auto).from_config(config)
    raise LookupError(name)


def counts(entry: Any) -> tuple[int, int]:
    """All parameters, and those of towers and projectors."""
    made = model(getattr(transformers, entry["class"])(**entry["values"]))
    sizes = {name: parameter.numel() for name, parameter in made.named_parameters()}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if any(tower in name for tower in TOWERS))


if __name__ == "__main__":
    json.dump({name: counts(entry) for name, entry in json.load(sys.stdin).items()}, sys.stdout)
