"""Rules on the model of a spec."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from ftc.rules.origins import Origins
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def sizes_of_another_model(found: Origins) -> Iterator[Finding]:
    """A model has its own sizes, not those of the option that another id replaces.

    `model.architecture` is from the config.json of one model. With another `model.id` the estimate of the memory, and
    every rule that reads the sizes, would be about a model that does not run. For a copy with the same sizes, such as
    your own fine-tuned model, write an option that extends the original one.
    Source: ftc, conf/model.

    Wrong: model.id=Qwen/Qwen3-8B
    Right: model=qwen3-8b
    """
    model = found.spec.model
    own, sizes = ("model", "id"), ("model", "architecture")
    if model is None or model.architecture is None or not found.is_of_run(own):
        return
    keys = (sizes, *((*sizes, name) for name in ("parameters", "layers", "hidden_size")))
    if max(map(found.rank, keys)) >= found.rank(own):
        return
    options = {str(id_).casefold(): option for option, id_ in found.models().items()}
    option = options.get(model.id.casefold())
    place = found.position(sizes)
    if option is not None and place is not None and PurePath(place.source).stem == option:
        return
    other = shlex.join(("model=custom", f"model.id={model.id}", f"model.template={model.template}"))
    message = f"is another model than the one whose sizes model.architecture has ({model.architecture.layers} layers)"
    yield Finding(own, message, f"use {f'model={option}' if option else other}", (sizes,))


RULES = (Rule("FTC705", "sizes-of-another-model", sizes_of_another_model, Origins),)
