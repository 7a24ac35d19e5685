#!/usr/bin/env bash
# Make an environment from wheels.sh's wheels and the PyTorch of this machine's python3: install.sh WHEELS VENV
set -euo pipefail

[[ $# -eq 2 ]] || { echo 'usage: install.sh WHEELS VENV' >&2; exit 2; }
venv=$2
python3 -m venv --without-pip "$venv"
# The packages of python3 come after those of the environment, also if python3 is in an environment itself.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
image=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf 'import site; site.addsitedir("%s")\n' "$image" >"$site/image.pth"
python3 -m pip --python "$venv/bin/python" --quiet --disable-pip-version-check install --no-index --no-deps "$1"/*.whl
# The script of the machine's PyTorch would start the machine's python3.
printf '#!/bin/sh\nexec %s -m torch.distributed.run "$@"\n' "$(cd "$venv/bin" && pwd)/python" >"$venv/bin/torchrun"
chmod +x "$venv/bin/torchrun"
