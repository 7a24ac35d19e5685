"""A Dockerfile for the run's hardware, trainer, engine and tracking."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.plan.types import Recipe, RunPlan

_HEAD = """\
# {content}.
# Made by `ftc compile -t image`: compile it again instead of editing it.
#
# Build it, push it, and name it in the job: image={image}
#   docker build -t {image} - <Dockerfile
#   docker push {image}
# Behind a mirror: --build-arg PIP_INDEX_URL=… --build-arg APT_MIRROR=https://…{torch_mirror}
# Arguments stay in the image's history: give them no token.
FROM {base}

# Some bases close their Python to pip, for the distribution's sake (PEP 668). Nothing else uses it here.
ARG PIP_BREAK_SYSTEM_PACKAGES=1

# {tools_reason}.
# They have no versions, because an archive of Debian's or Ubuntu's keeps only the last of each.
ARG APT_MIRROR
# hadolint ignore=DL3008
RUN if [ -n "$APT_MIRROR" ]; then \\
      find /etc/apt "(" -name "*.list" -o -name "*.sources" ")" -exec sed -i -E \\
        "s#https?://((deb|security).debian.org|(archive|security|ports).ubuntu.com)/#${{APT_MIRROR%/}}/#" {{}} +; \\
    fi && \\
    apt-get update && \\
    apt-get install -y --no-install-recommends {tools} && \\
    rm -rf /var/lib/apt/lists/*
"""
_TORCH = """
# PyTorch for this hardware; what it needs itself is among the packages below.
ARG TORCH_INDEX_URL={index}
RUN python3 -m pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" \\
{pins}
"""
_REST = """
# The trainer and all that it needs. The list is complete, so --no-deps costs nothing; it keeps pip from putting another
# PyTorch in place of the hardware's. The last line fails where there is none.
ARG PIP_INDEX_URL=https://pypi.org/simple
RUN python3 -m pip install --no-cache-dir --no-deps \\
{pins} && \\
    python3 -c "from importlib.metadata import version as v; print(v('torch'), v('torchvision'), v('torchaudio'))"

# Root by default, because new volumes belong to root. A pod may run as any other user, with
# cluster.security=restricted or cluster.run_as_user=1000: every user may write to HOME, and needs no name.
ENV HOME=/home/ftc LOGNAME=ftc
RUN mkdir -m 1777 "$HOME"
"""


def emit(run: RunPlan) -> str:
    """The Dockerfile. It needs no file beside it; the spec's patterns leave nothing in it that a shell could act on."""
    if run.recipe is None:
        raise ValueError("a run without a recipe is refused by the rules on images")
    recipe = run.recipe
    return _head(recipe) + _torch(recipe) + _REST.format(pins=_lines(recipe.packages))


def _head(recipe: Recipe) -> str:
    content = (f"LLaMA-Factory {recipe.llamafactory}", f"transformers {recipe.transformers}", *recipe.extras)
    compiler = "; g++ compiles DeepSpeed's operators at their first use" if "g++" in recipe.tools else ""
    return _HEAD.format(
        content=", ".join(content),
        image=shlex.quote(recipe.image),
        base=recipe.base,
        torch_mirror=" --build-arg TORCH_INDEX_URL=…" if recipe.torch else "",
        tools=" ".join(recipe.tools),
        tools_reason=f"git and git-lfs fetch models and push results{compiler}",
    )


def _torch(recipe: Recipe) -> str:
    """The layer of PyTorch, none where the base has it."""
    if not recipe.torch:
        return ""
    return _TORCH.format(index=recipe.torch_index or "https://pypi.org/simple", pins=_lines(recipe.torch))


def _lines(pins: Iterable[str]) -> str:
    """One a line, so that a diff shows what changed."""
    return " \\\n".join(f"    {pin}" for pin in pins)
