#!/usr/bin/env bash
# check_adapter.sh COMMAND...: runs COMMAND, which fetches the adapter or checks its directory, and then checks that the
# source is an adapter: the trainer looks for ADAPTER_CONFIG only after it has loaded the model.
set -euo pipefail
: "${ADAPTER_CONFIG:?}"
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/child.sh"

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

run_child "$@"
[[ -f $ADAPTER_CONFIG ]] || die "$ADAPTER_CONFIG is missing: is it the right source, and the right directory in it?"
