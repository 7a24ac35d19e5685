"""One self-contained bash script that runs the steps on the machine at hand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ftc.plan.names import digest
from ftc.plan.types import File, FromSecret, Places
from ftc.resources import script

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan, Step

HERE = Places(files="files", workspace="..", cache="../cache")
"""Places seen from the run's own directory, which the script makes and works in."""

_HEAD = """\
#!/usr/bin/env bash
# {name}, on this machine: what the pod of the cluster does, with the same files and scripts.
# The run goes to ${{FTC_RUNS:-./ftc-runs}}/$JOB_NAME; the same JOB_NAME once more resumes it.
# Made by `ftc compile -t script`: compile it again instead of editing it.
set -euo pipefail

main() {{
  local runs=${{FTC_RUNS:-$PWD/ftc-runs}}
  export JOB_NAME=${{JOB_NAME:-{name}-$(date -u +%Y%m%d-%H%M%S)}}
{secrets}  mkdir -p -- "$runs/$JOB_NAME/files"
  cd -- "$runs/$JOB_NAME"
  write_files
"""


def emit(run: RunPlan) -> str:
    """The script; it reads itself whole before it starts, so it can come through a pipe."""
    files = (*run.files, *run.scripts, File("rendezvous.sh", script("rendezvous_single.sh")))
    head = _HEAD.format(name=run.name, secrets="".join(_secrets(run.steps)))
    body = "".join(_step(step) for step in run.steps)
    return head + body + "}\n\nwrite_files() {\n" + "".join(_here_document(file) for file in files) + '}\n\nmain "$@"\n'


def _secrets(steps: tuple[Step, ...]) -> list[str]:
    """On the cluster they come from Secrets; here the environment must have them."""
    found = {name: value for step in steps for name, value in step.env.items() if isinstance(value, FromSecret)}
    return [
        f'  : "${{{name}:?export it first: on the cluster it is the key {value.key} of the Secret {value.secret}}}"\n'
        for name, value in found.items()
    ]


def _step(step: Step) -> str:
    plain = [f"{name}={value}" for name, value in step.env.items() if not isinstance(value, FromSecret)]
    words = [shlex.quote(word) for word in (*plain, *step.command, *step.args)]
    lines = ["env", *words[: len(plain)], " ".join(words[len(plain) :])]
    return "  " + " \\\n    ".join(lines) + " </dev/null\n"


def _here_document(file: File) -> str:
    end = f"end of {file.name}"
    if end in file.text.splitlines():
        end = f"{end} {digest(file.text)}"
    return f"  cat >{HERE.files}/{file.name} <<'{end}'\n{file.text}{end}\n"
