"""The variables and the files of a run."""

from __future__ import annotations

import re

from ftc.plan import files
from ftc.plan.environment import OURS
from ftc.resources import directory
from reference.markdown import code, page, prose, table

VARIABLES = {
    "NNODES": "The number of nodes.",
    "NODE_RANK": "The rank of this node, from 0.",
    "NPROC_PER_NODE": "The number of processes of a node.",
    "MASTER_ADDR": "The address of the node with rank 0.",
    "MASTER_PORT": "The port at which it waits.",
    "RUN_DIR": (
        "The directory of the run, for everything that must be kept. LLaMA-Factory and the commands of `setup` start "
        "there. Your own program starts in the working directory of the image, or with `-t script` in RUN_DIR."
    ),
    "WORKSPACE": "The directory of all runs.",
    "JOB_NAME": "The name of the run.",
    "MODEL_DIR": "The directory of the model. LLaMA-Factory gets it as an argument instead.",
    "DATASET_DIR": "The directory of the dataset. LLaMA-Factory gets it as an argument instead.",
    "ADAPTER_DIR": "The directory of the adapter. LLaMA-Factory gets it as an argument instead.",
}
"""The variables that a program may read."""
FILES = {
    "output": "The adapter, or the fully tuned model, and the checkpoints of the training.",
    "output/runs": "TensorBoard's event files.",
    "merged": "The base model with the adapter merged into it, if the method merges.",
    "quantized": "The quantized model, if the method quantizes.",
    "chat-template.json": "The verdict on the chat template, if it is checked.",
    "evaluation.json": "The numbers of the evaluation, or why it failed, if the result is evaluated.",
    "evaluation": "The answers of the evaluation, generated_predictions.jsonl, and LLaMA-Factory's own numbers.",
    "datasets-cache": "The dataset as the trainer has prepared it.",
}
COMPILED = {
    files.TRAIN: "The arguments of the training.",
    files.MERGE: "The arguments of the export that merges the adapter.",
    files.QUANTIZE: "The arguments of the export that quantizes the result.",
    files.EVALUATE: "The arguments of the prediction that evaluates the result.",
    files.ACCELERATE: "The config file of accelerate.",
    files.DATASET_INFO: "The format of the datasets.",
    files.SETUP: "The commands before the training.",
}


def pages() -> dict[str, str]:
    """The page of the variables and files."""
    return {
        "runs.md": page(
            "Variables and files of a run",
            "## Variables\n\nYour own program (`launcher=command`) and the commands of `setup` get these:",
            table(("variable", "value"), _rows(VARIABLES)),
            "ftc also sets these for its scripts. A rule rejects a value of yours for any of them:",
            ", ".join(code(name) for name in sorted(OURS - VARIABLES.keys())) + ".",
            "## Directory of a run { #directory }\n\nThe directory is `<workspace>/<name of the job>`:",
            table(("path", "content"), _rows(FILES)),
            "A finished step leaves a marker there, so that a restart continues with the next one.",
            "## Files in the pod { #files }\n\nThe manifest brings these files, in `/etc/ftc` of each container:",
            table(("file", "content"), _rows({name: COMPILED[name] for name in files.NAMES})),
            "## Scripts { #scripts }\n\nScripts are fixed files, the same in every run:",
            table(("script", "task"), _scripts()),
        )
    }


def _rows(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(code(name), text) for name, text in texts.items()]


def _scripts() -> list[tuple[str, str]]:
    """Each script with the first sentence of its comment."""
    found = sorted(file for file in directory("scripts").iterdir() if file.suffix in (".sh", ".py"))
    return [(code(file.name), prose(_task(file.read_text(encoding="utf-8")))) for file in found if file.stat().st_size]


def _task(text: str) -> str:
    """The first sentence of the comment or docstring at the top."""
    lines = re.sub(r"^#!.*\n", "", text)
    docstring = re.match(r'"""(.*?)"""', lines, re.DOTALL)
    comment = "\n".join(re.findall(r"^# ?(.*)$", re.match(r"(#.*\n)*", lines)[0], re.MULTILINE))  # type: ignore[index] # it matches nothing too
    words = " ".join((docstring[1] if docstring else comment).split())
    # The name of the script with its arguments comes first.
    words = re.sub(r"^[a-z_0-9]+\.(sh|py)[^:]*: |^Sourced\. ", "", words)
    sentence = words.partition(". ")[0].removesuffix(".") + "."
    return sentence[:1].upper() + sentence[1:] if re.match(r"(?!torchrun)[a-z]+ ", sentence) else sentence
