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
# The run goes to ${{FTC_RUNS:-./ftc-runs}}/$JOB_NAME; the same JOB_NAME resumes it.
# Made by `ftc compile -t script`: compile it again instead of editing it.
set -euo pipefail
child='' stopped=false

main() {{
  local runs=${{FTC_RUNS:-$PWD/ftc-runs}}
  export JOB_NAME=${{JOB_NAME:-{name}-$(date -u +%Y%m%d-%H%M%S)}}
{secrets}  mkdir -p -- "$runs/$JOB_NAME/files"
  cd -- "$runs/$JOB_NAME"
  lock_run
  trap on_signal TERM INT HUP
  write_files
"""

_RUNNING = """\
}

die() { printf 'ftc: error: %s\\n' "$*" >&2; exit 1; }

# Standard input of every step, because Python passes no other descriptor on: the run stays locked until all processes
# of the training have ended, even if this script is killed.
lock_run() {
  local status=0
  command -v flock >/dev/null || die "flock is missing on this machine: install util-linux"
  exec {lock}<>run.lock
  flock -n "$lock" || status=$?
  if ((status == 1)); then
    die "the run $JOB_NAME is in use: stop its processes (fuser $PWD/run.lock names them) or set another JOB_NAME"
  fi
  ((status == 0)) || die "cannot lock $PWD/run.lock: set FTC_RUNS to a directory of a local disk"
}

on_signal() {
  stopped=true
  if [[ -z $child ]]; then exit 143; fi
  kill -TERM "$child" 2>/dev/null || true
}

# run_step COMMAND...: in the background, because bash acts on a signal only between foreground commands.
run_step() {
  local status
  "$@" <&"$lock" &
  child=$!
  if $stopped; then on_signal; fi
  while true; do
    status=0
    wait "$child" || status=$?
    # A signal ends 'wait' before the command has ended.
    kill -0 "$child" 2>/dev/null || break
  done
  child=''
  if $stopped; then exit 143; fi
  if ((status)); then exit "$status"; fi
}

write_files() {
"""


def emit(run: RunPlan) -> str:
    """The script; it reads itself whole before it starts, so it can come through a pipe."""
    files = (*run.files, *run.scripts, File("rendezvous.sh", script("rendezvous_single.sh")))
    head = _HEAD.format(name=run.name, secrets="".join(_secrets(run.steps)))
    secret = _secret_names(run.steps)
    body = "".join(_step(step, [name for name in secret if name not in step.env]) for step in run.steps)
    return head + body + _RUNNING + "".join(_here_document(file) for file in files) + '}\n\nmain "$@"\n'


def _secrets(steps: tuple[Step, ...]) -> list[str]:
    """On the cluster they come from Secrets; here the environment must have them. `bash -x` does not print them."""
    found = {name: value for step in steps for name, value in step.env.items() if isinstance(value, FromSecret)}
    return [
        f"  [[ -n ${{{name}:+set}} ]] || "
        f'die "export {name} first: on the cluster it is the key {value.key} of the Secret {value.secret}"\n'
        for name, value in found.items()
    ]


def _secret_names(steps: tuple[Step, ...]) -> list[str]:
    return sorted({name for step in steps for name, value in step.env.items() if isinstance(value, FromSecret)})


def _step(step: Step, withheld: list[str]) -> str:
    """A step, without the credentials of the others."""
    plain = [f"{name}={value}" for name, value in step.env.items() if not isinstance(value, FromSecret)]
    words = [shlex.quote(word) for word in (*plain, *step.command, *step.args)]
    head = " ".join(["run_step env", *(f"-u {name}" for name in withheld)])
    lines = [head, *words[: len(plain)], " ".join(words[len(plain) :])]
    return "  " + " \\\n    ".join(lines) + "\n"


def _here_document(file: File) -> str:
    end = f"end of {file.name}"
    if end in file.text.splitlines():
        end = f"{end} {digest(file.text)}"
    return f"  cat >{HERE.files}/{file.name} <<'{end}'\n{file.text}{end}\n"
