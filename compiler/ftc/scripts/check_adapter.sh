#!/usr/bin/env bash
# check_adapter.sh COMMAND...: runs COMMAND, which fetches the adapter or checks its directory, and then checks that the
# source is an adapter: the trainer looks for ADAPTER_CONFIG only after it has loaded the model.
set -euo pipefail
: "${ADAPTER_CONFIG:?}"
child=''

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# PID 1 of a container ignores signals that it does not trap.
on_signal() {
  # A signal may come before the line that sets `child`.
  child=${child:-${!:-}}
  if [[ -n $child ]]; then
    kill "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  exit 143
}
trap on_signal TERM INT

# In the background, because bash handles a signal only between foreground commands.
"$@" &
child=$!
wait "$child" || exit
[[ -f $ADAPTER_CONFIG ]] || die "$ADAPTER_CONFIG is missing: is it the right source, and the right directory in it?"
