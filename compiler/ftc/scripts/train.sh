#!/usr/bin/env bash
# The trainer's container: train, merge, publish. A finished step leaves a marker in the run's directory, so that a
# restart of the job goes on where it stopped.
# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
cd -- "$RUN_DIR"
child='' starting=false stopped=false secrets=(GIT_USER GIT_TOKEN PUBLISH_TOKEN S3_ACCESS_KEY_ID S3_SECRET_ACCESS_KEY)
export -n "${secrets[@]}" # for the publishing only
# Beside the output, which the nodes share or not: the trainer's flags for shared files hold for both.
export HF_DATASETS_CACHE=$RUN_DIR/datasets-cache

# A running step gets the signal, with all its processes.
on_signal() {
  stopped=true
  if [[ -n $child ]]; then kill -TERM -- "-$child" 2>/dev/null || true; fi
  if [[ -z $child ]] && ! $starting; then exit 143; fi
}
trap on_signal TERM INT

# run NAME COMMAND...: runs COMMAND in a process group of its own; returns only when it has succeeded.
run() {
  local name=$1 status
  log "$name: started on node $NODE_RANK"
  starting=true
  set -m
  "${@:2}" </dev/null &
  child=$! starting=false
  set +m
  if $stopped; then on_signal; fi
  while true; do
    status=0
    wait "$child" || status=$?
    # A signal ends 'wait' before the command has ended.
    kill -0 "$child" 2>/dev/null || break
  done
  if $stopped; then
    while kill -0 -- "-$child" 2>/dev/null; do sleep 0.2; done
    printf 'ftc: error: %s: stopped by a signal; a restart of the job goes on from here\n' "$name" >&2
    exit 143
  fi
  if ((status == 0)); then child='' && return; fi
  printf 'ftc: error: %s ended with status %s on node %s: the lines above say why\n' "$name" "$status" "$NODE_RANK" >&2
  exit "$status"
}

# step NAME COMMAND...: runs COMMAND unless it is done, and notes that it is.
step() {
  if [[ -e $1.done ]]; then log "$1: done before" && return; fi
  run "$@"
  log "$1: done on node $NODE_RANK"
  if ((NODE_RANK == 0)); then date -u >"$1.done.tmp" && mv -- "$1.done.tmp" "$1.done"; fi
}

# The trainer resumes from the last checkpoint, whole or not. The state is what it writes last.
drop_unfinished_checkpoints() {
  local checkpoint
  for checkpoint in output/checkpoint-*/; do
    if [[ ! -d $checkpoint || -s ${checkpoint}trainer_state.json ]]; then continue; fi
    log "removing $checkpoint, which was not finished"
    rm -rf -- "$checkpoint"
  done
}

# export_to DIRECTORY CONFIG: an export that was stopped half-way leaves files that the next one need not overwrite.
export_to() {
  rm -rf -- "$1"
  exec llamafactory-cli export "$ftc_dir/$2"
}

publish() {
  export "${secrets[@]}"
  if [[ -e $ftc_dir/publish.py ]]; then exec python3 "$ftc_dir/publish.py" "$1"; fi
  exec bash "$ftc_dir/publish.sh" "$1"
}

if ((NODE_RANK > 0)) && [[ -e train.done ]]; then log "train: done before" && exit; fi
if [[ -e $ftc_dir/setup.json ]]; then
  run setup python3 "$ftc_dir/run_setup.py"
  ENVIRONMENT_SCRIPTS='' bash "$ftc_dir/check_image.sh"
fi
if ((NODE_RANK == 0)) || [[ -z ${LEAST_NNODES:-} ]]; then drop_unfinished_checkpoints; fi # others may be writing
step train bash "$ftc_dir/launch.sh"
# A pod that ended well is not made anew, and rank 0 cannot train again alone.
if ((NODE_RANK > 0)); then wait_for 3600 "rank 0 did not finish the training" test -e train.done && exit; fi
result=output
if [[ -e $ftc_dir/merge.yaml ]]; then
  result=merged
  step merge export_to merged merge.yaml
fi
if [[ -e $ftc_dir/quantize.yaml ]]; then
  result=quantized
  step quantize export_to quantized quantize.yaml
fi
if [[ -n ${PUBLISH_URL:-}${PUBLISH_REPOSITORY:-}${S3_BUCKET:-} ]]; then step publish publish "$result"; fi
log "all done: $RUN_DIR/$result"
