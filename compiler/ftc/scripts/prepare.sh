#!/usr/bin/env bash
# Sourced first by train.sh and launch_command.sh, without arguments: prepares the pod and reports at once what is
# missing. Sets 'set -euo pipefail', creates RUN_DIR and exports the variables of the rendezvous.

# Before 'set -e' and 'set -u': the vendors' scripts read unset variables, and commands in them may fail.
IFS=: read -ra ftc_scripts <<<"${ENVIRONMENT_SCRIPTS:-}"
for ftc_script in "${ftc_scripts[@]}"; do
  # shellcheck source=/dev/null
  if [[ -f $ftc_script ]]; then source "$ftc_script"; fi
done
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${WORKSPACE:?}" "${JOB_NAME:?}" "${NNODES:?}" "${NPROC_PER_NODE:?}" "${MASTER_PORT:?}"
export NNODES NPROC_PER_NODE MASTER_PORT RUN_DIR=$WORKSPACE/$JOB_NAME

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

make_run_dir() {
  local line free used
  mkdir -p -- "$RUN_DIR" && [[ -w $RUN_DIR ]] || die "cannot write to $RUN_DIR: is the workspace volume writable?"
  RUN_DIR=$(cd -- "$RUN_DIR" && pwd)
  if [[ -z ${MIN_FREE_MIB:-} ]]; then return; fi
  # The last numbers of the line, because the name of a share may contain blanks and numbers.
  line=$(df -Pm -- "$RUN_DIR" | tail -n 1)
  [[ $line =~ .*[[:space:]][0-9]+[[:space:]]+[0-9]+[[:space:]]+([0-9]+)[[:space:]]+([0-9]+%|-)[[:space:]] ]] ||
    die "cannot read the free space of $RUN_DIR: df prints '$line'"
  free=${BASH_REMATCH[1]}
  # An earlier attempt of this run already uses a part of the space.
  read -r used _ < <(du -sm -- "$RUN_DIR")
  ((free + used >= MIN_FREE_MIB)) || die "$WORKSPACE has $free MiB free, but this run needs $MIN_FREE_MIB: free some space or use a larger volume"
}

# wait_for SECONDS MESSAGE COMMAND...: until COMMAND succeeds.
wait_for() {
  local limit=$((SECONDS + $1))
  until "${@:3}" >/dev/null 2>&1; do
    ((SECONDS < limit)) || die "$2 in $1 seconds"
    sleep 1
  done
}

cpu_count() {
  local quota=max period=1 v1=/sys/fs/cgroup/cpu/cpu.cfs
  if [[ -r /sys/fs/cgroup/cpu.max ]]; then
    read -r quota period </sys/fs/cgroup/cpu.max
  elif [[ -r ${v1}_quota_us ]]; then
    quota=$(<"${v1}_quota_us") period=$(<"${v1}_period_us")
  fi
  if [[ $quota =~ ^[0-9]+$ ]]; then echo $((quota / period)); else nproc; fi
}

# keep_spec: the run's directory says what the run was made from. Each restart writes the same text.
keep_spec() {
  local new=$RUN_DIR/.spec.yaml.new
  printf '%s\n' "$(<"$ftc_dir/spec.yaml")" >"$new" && mv -f -- "$new" "$RUN_DIR/spec.yaml" && return
  die "cannot write spec.yaml in $RUN_DIR: is the workspace volume full?"
}

# PID 1 of a container ignores signals that it does not trap.
trap 'exit 143' TERM INT
# Commands of setup.json may install what is missing, so then train.sh checks after them. The vendors' scripts have been
# sourced above.
if [[ ! -e $ftc_dir/setup.json ]]; then ENVIRONMENT_SCRIPTS='' bash "$ftc_dir/check_image.sh"; fi
make_run_dir
# shellcheck source-path=SCRIPTDIR source=rendezvous_volcano.sh
source "$ftc_dir/rendezvous.sh"
if ((NODE_RANK == 0)) && [[ -e $ftc_dir/spec.yaml ]]; then keep_spec; fi
# The pods of a gang start at the same time; a target without a gang sets a longer limit.
if ((NNODES > 1)); then
  wait_for "${ftc_wait_for_master:-300}" "the pod of rank 0 did not get an address ($MASTER_ADDR)" getent hosts "$MASTER_ADDR"
fi
if [[ -z ${OMP_NUM_THREADS:-} ]]; then
  threads=$(($(cpu_count) / NPROC_PER_NODE))
  export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
fi
log "node $NODE_RANK of $NNODES, rank 0 at $MASTER_ADDR:$MASTER_PORT, run directory $RUN_DIR"
