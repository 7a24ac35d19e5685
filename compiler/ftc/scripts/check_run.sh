#!/usr/bin/env bash
# check_run.sh COMMAND...: checks that an earlier run has finished, which is when its last step has written RUN_MARKER.
# Then runs COMMAND, which checks the result of that step.
set -euo pipefail
: "${RUN_MARKER:?}"
run=$(dirname -- "$RUN_MARKER") step=$(basename -- "$RUN_MARKER" .done)

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# After a power failure a file system may leave a marker of 0 bytes.
if [[ -s $RUN_MARKER ]]; then exec "$@"; fi
if [[ -d $run ]]; then die "the run $run has not finished its step '$step': wait until it has finished, or choose another result"; fi
mapfile -t finished < <(find "$(dirname -- "$run")" -mindepth 2 -maxdepth 2 -name "$step.done" -printf '%h\n' | sort)
((${#finished[@]} > 0)) || die "$run does not exist, and no other run has finished the step '$step'"
die "$run does not exist; the runs that have finished the step '$step' are: $(printf '%q ' "${finished[@]##*/}")"
