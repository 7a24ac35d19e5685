#!/usr/bin/env bash
# Sourced by train.sh after prepare.sh, in the run's directory: runs each step once and forwards signals.
set -euo pipefail
: "${ftc_dir:?}" "${NODE_RANK:?}"
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$ftc_dir/child.sh"
running=''

# A training gets time to save a checkpoint (see stop_training.py). An elastic training does not, because torchrun would
# restart its processes.
stop_child() {
  if [[ $running == train && -z ${LEAST_NNODES:-} ]]; then
    if ((NODE_RANK == 0)); then : >train.stopped || true; fi
    python3 "$ftc_dir/stop_training.py" "$child" || kill -TERM "$child" 2>/dev/null || true
  else
    kill -TERM "$child" 2>/dev/null || true
  fi
}

# Logs the checkpoint from which a restart resumes.
say_where() {
  local last
  last=$(python3 "$ftc_dir/check_checkpoints.py" last) || return 0
  if [[ -z $last ]]; then
    log "train: there is no complete checkpoint: a restart begins at the first step"
  elif [[ $last/trainer_state.json -nt train.stopped ]]; then
    log "train: saved $last after the signal: a restart resumes from it"
  else
    log "train: nothing was saved after the signal: a restart resumes from $last"
  fi
  rm -f -- train.stopped
}

say_stopped() {
  if $stopped && [[ -n $running ]]; then
    if ((NODE_RANK == 0)) && [[ $running == train && -e train.stopped ]]; then say_where; fi
    printf 'ftc: error: %s: stopped by a signal; a restart of the job continues from here\n' "$running" >&2
  fi
}

# The kubelet copies this file into the status of the pod, from which `ftc status` reads the verdicts on the result. An
# earlier attempt of the run may have written them.
say_verdicts() {
  local file
  for file in check.verdict evaluate.verdict; do
    if ((NODE_RANK == 0)) && [[ -f $file && -w ${TERMINATION_LOG:=/dev/termination-log} ]]; then
      cat -- "$file" >>"$TERMINATION_LOG" || true
    fi
  done
}

say_end() {
  say_stopped
  say_verdicts
}
trap say_end EXIT

# run NAME COMMAND...: returns only when COMMAND has succeeded.
run() {
  local status=0
  running=$1
  log "$running: started on node $NODE_RANK"
  run_child "${@:2}" || status=$?
  if ((status == 0)); then running='' && return; fi
  printf 'ftc: error: %s ended with status %s on node %s: the lines above say why\n' "$running" "$status" "$NODE_RANK" >&2
  exit "$status"
}

# step NAME COMMAND...: runs COMMAND unless it is done, and writes a marker once all its output is on the disk.
step() {
  if is_done "$1"; then log "$1: done before" && return; fi
  run "$@"
  log "$1: done on node $NODE_RANK"
  if ((NODE_RANK > 0)); then return; fi
  { date -u >"$1.done.tmp" && sync -f -- "$1.done.tmp" && mv -- "$1.done.tmp" "$1.done" && sync -- .; } ||
    die "cannot write the marker of step $1 in $RUN_DIR: is the workspace volume full?"
}

# After a power failure a file system may leave a marker of 0 bytes.
is_done() { [[ -s $1.done ]]; }
