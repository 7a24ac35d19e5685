#!/usr/bin/env bash
# check_image.sh [COMMAND...]: checks that the image has REQUIRED_TOOLS and Python's REQUIRED_MODULES, which this step and
# later ones need, then runs COMMAND. The first step of a pod calls it, before any download or copy.
set -euo pipefail

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# A subshell, because the vendors' scripts must not change the environment of COMMAND.
(
  set --
  # They read unset variables, and commands in them may fail.
  set +eu
  IFS=: read -ra ftc_scripts <<<"${ENVIRONMENT_SCRIPTS:-}"
  for ftc_script in "${ftc_scripts[@]}"; do
    # shellcheck source=/dev/null
    if [[ -f $ftc_script ]]; then source "$ftc_script"; fi
  done
  set -eu
  for tool in ${REQUIRED_TOOLS:-} ${REQUIRED_MODULES:+python3}; do
    command -v "$tool" >/dev/null || die "$tool is missing in this image: use an image that has it"
  done
  for module in ${REQUIRED_MODULES:-}; do
    python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$module" ||
      die "Python's $module is missing in this image: use an image that has it"
  done
)
if (($#)); then exec "$@"; fi
