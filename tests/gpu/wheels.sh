#!/usr/bin/env bash
# Collect wheels for a machine without a package index: wheels.sh DIRECTORY PYTHON_VERSION CUDA, such as wheels 3.12 cuda130
#   The machine has PyTorch and the packages of in_image.txt, or does not need them for a training (gradio, for example).
#   Of bitsandbytes, only the libraries for CPU and CUDA are kept.
set -euo pipefail

[[ $# -eq 3 ]] || { echo 'usage: wheels.sh DIRECTORY PYTHON_VERSION CUDA' >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
wheels=$(mkdir -p "$1" && cd "$1" && pwd)

pins() {
  cat "$root"/conf/pins/0.9.5+5.6.0/{trainer,deepspeed,bitsandbytes}.txt | grep -v '^omegaconf=='
  grep -E '^(antlr4-python3-runtime|hydra-core|jsonschema(-rs|-specifications)?|msgspec|omegaconf|referencing|rpds-py|tree-sitter(-bash)?)==' \
    "$root/requirements.lock"
}

# The releases that pip tries for a machine with glibc 2.28.
platforms=()
for name in manylinux_2_28 manylinux_2_27 manylinux_2_24 manylinux_2_17 manylinux2014; do
  platforms+=(--platform "${name}_x86_64")
done
pip=(python3 -m pip --quiet --disable-pip-version-check)
source_only='^(antlr4-python3-runtime|deepspeed|hjson|jieba)=='

pins | grep -v '^#' | grep -vE "^($(paste -sd '|' "$here/in_image.txt"))==" | sort -u >"$wheels/pins.txt"
"${pip[@]}" download --no-deps --only-binary=:all: --python-version "$2" --implementation cp "${platforms[@]}" \
  --dest "$wheels" --requirement <(grep -vE "$source_only" "$wheels/pins.txt")
# DeepSpeed reads torch while it builds: FTC_TRAINER has it.
DS_BUILD_OPS=0 "$FTC_TRAINER/bin/python" -m pip --quiet --disable-pip-version-check wheel --no-deps --no-build-isolation \
  --wheel-dir "$wheels" --requirement <(grep -E "$source_only" "$wheels/pins.txt")

bitsandbytes=$(echo "$wheels"/bitsandbytes-*.whl)
python3 - "$bitsandbytes" "$3" <<'PYTHON'
import sys, zipfile
from pathlib import Path

wheel, cuda = Path(sys.argv[1]), sys.argv[2]
kept = wheel.with_suffix(".kept")
with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as new:
    for name in old.namelist():
        if not name.endswith(".so") or name.endswith((f"_{cuda}.so", "_cpu.so")):
            new.writestr(old.getinfo(name), old.read(name))
kept.replace(wheel)
PYTHON
