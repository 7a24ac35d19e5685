#!/usr/bin/env bash
# check_image.sh [COMMAND...]: the image has what this step and later ones need, of REQUIRED_TOOLS and of Python's
# REQUIRED_MODULES; then runs COMMAND. In the first step of a pod, so that nothing is downloaded or copied before.
set -euo pipefail

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# A subshell, because the vendors' scripts are for the programs that are looked for, not for COMMAND.
(
  set --
  # They read unset variables and probe what is not there.
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
