#!/usr/bin/env bash
# Make a CPU trainer environment: install.sh PAIR VENV_DIR
#   PAIR is a directory of conf/pins. It installs its pins, with both trackers (test_image.py compares), except
#   torchvision, whose build for CPUs is not on PyPI.
# A second call with the same pins does nothing; other pins make the environment again.
set -euo pipefail

die() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 2
}

[[ $# -eq 2 ]] || die 'usage: install.sh PAIR VENV_DIR'
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
pair=$root/conf/pins/$1
[[ -d $pair ]] || die "conf/pins has no pair '$1'"
venv=${2%/}

pins=$(
  cat "$pair"/{trainer,mlflow,tensorboard}.txt
  grep -oE 'torch(audio)?==[0-9.]+' "$root/conf/build/cpu.yaml"
  grep '^uv==' "$root/requirements.lock"
)

# Two test workers may ask for the same environment at once.
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9

marker=$venv/.pins.sha256
wanted=$( (cat "${BASH_SOURCE[0]}" && printf '%s' "$pins") | sha256sum)
if [[ -f $marker && $(<"$marker") == "$wanted" ]]; then
  exit 0
fi

python3.11 -m venv --clear "$venv"
printf '%s\n' "$pins" >"$venv/pins.txt"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)

# pip alone, not uv, finds a CPU build that the machine's pip configuration offers; with the other pins as
# constraints, what torch brings along is already at the wanted version.
"${pip[@]}" install --no-compile --constraint "$venv/pins.txt" torch uv

# The list is complete: no resolution, and the torch that is there satisfies its pin.
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --requirement "$venv/pins.txt"

# torchaudio's wheels are linked to CUDA; without the libraries it takes its pure Python path.
rm -f "$venv"/lib/python3.11/site-packages/torchaudio/lib/*.so

# Containers see the environment read-only: without bytecode each would compile thousands of modules for itself, 15 s a
# process. Status 1: some packages carry files for another Python.
"$venv/bin/python" -W ignore -m compileall -qq -j 0 "$venv/lib" || [[ $? -eq 1 ]]

printf '%s\n' "$wanted" >"$marker"
