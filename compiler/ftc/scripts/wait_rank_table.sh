#!/usr/bin/env bash
# wait_rank_table.sh COMMAND...: waits until Ascend Operator has completed RANK_TABLE_FILE, then execs COMMAND. The operator
# writes the addresses of the NPUs when all pods of the job run; until then the file says that it is initializing, and
# HCCL would fail. The kubelet copies a change of the ConfigMap into the pod within about a minute.
set -euo pipefail
: "${RANK_TABLE_FILE:?}"

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# PID 1 of a container ignores signals that it does not trap.
trap 'exit 143' TERM INT
seconds=${RANK_TABLE_TIMEOUT:-600} said=''
while true; do
  status='' text=''
  if [[ -r $RANK_TABLE_FILE ]]; then text=$(<"$RANK_TABLE_FILE"); fi
  if [[ $text =~ \"status\"[[:space:]]*:[[:space:]]*\"([a-z]*)\" ]]; then status=${BASH_REMATCH[1]}; fi
  if [[ $status == completed ]]; then break; fi
  ((SECONDS < seconds)) ||
    die "$RANK_TABLE_FILE is not completed after $seconds seconds (status: ${status:-missing}): does Ascend Operator run, and do the job and its ConfigMap have the label ring-controller.atlas?"
  if [[ -z $said ]]; then log "waiting until Ascend Operator completes $RANK_TABLE_FILE" && said=yes; fi
  sleep 1
done
exec "$@"
