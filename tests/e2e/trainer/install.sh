#!/usr/bin/env bash
# Make a CPU trainer environment: install.sh PAIR VENV_DIR
#   PAIR is the llamafactory version of a requirements-PAIR.txt beside this script.
# A second call with the same requirements does nothing; other requirements make the environment again.
set -euo pipefail

die() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 2
}

[[ $# -eq 2 ]] || die 'usage: install.sh PAIR VENV_DIR'
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements-$1.txt
venv=${2%/}
[[ -f $requirements ]] || die "no such pair: $1 (no ${requirements##*/})"

# Two test workers may ask for the same environment at once.
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9

marker=$venv/.requirements.sha256
wanted=$(cat "${BASH_SOURCE[0]}" "$requirements" | sha256sum)
if [[ -f $marker && $(<"$marker") == "$wanted" ]]; then
  exit 0
fi

python3.11 -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)

# pip alone, not uv, finds a CPU build that the machine's pip configuration offers; with the other pins as
# constraints, what torch brings along is already at the wanted version.
"${pip[@]}" install --no-compile --constraint "$requirements" torch uv

# The list is complete: no resolution, and the torch that is there satisfies its pin.
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --requirement "$requirements"

# torchaudio's wheels are linked to CUDA; without the libraries it takes its pure Python path.
rm -f "$venv"/lib/python3.11/site-packages/torchaudio/lib/*.so

printf '%s\n' "$wanted" >"$marker"
