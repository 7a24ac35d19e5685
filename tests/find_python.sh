#!/usr/bin/env bash
# find_python.sh VERSION: prints the path of an installed Python of that version, such as 3.12; status 1 without one.
# A name on the PATH may be a shim of pyenv for a version that is not active, so each candidate is tried.
set -euo pipefail
shopt -s nullglob
candidates=("python$1" "/usr/bin/python$1" "$HOME/.pyenv/versions/$1."*/bin/python
  "$HOME/.local/share/uv/python/cpython-$1."*/bin/python)
for candidate in "${candidates[@]}"; do
  "$candidate" -c "import sys; assert sys.version.startswith('$1.'); print(sys.executable)" 2>/dev/null && exit 0
done
exit 1
