#!/usr/bin/env bash
# publish.sh UPLOADER...: waits for the end of the training and calls UPLOADER with WORKSPACE and the path of the result
# below it. It writes nothing to the workspace and runs nothing from it, because the trainer can write there. UPLOADER asks
# the server whether the result is already published, and after the upload whether it is complete. RESULT_ID is the same
# for every attempt.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${WORKSPACE:?}" "${JOB_NAME:?}" "${NNODES:?}"
workspace=$(cd -- "$WORKSPACE" && pwd) # -t script gives a relative path
run_dir=$workspace/$JOB_NAME
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$ftc_dir/child.sh"

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# The trainer's container starts first. If it cannot start, the job would wait forever, hence the limit. The lock has a
# limit in case the kernel of the node hangs: no training takes 90 days.
wait_for_the_training() {
  local limit=$((SECONDS + ${START_TIMEOUT:-600}))
  until [[ -e $LOCK_DIR/started ]]; do
    ((SECONDS < limit)) || die "the container train did not start in ${START_TIMEOUT:-600} seconds: nothing is published"
    sleep 1
  done
  log "publish: waiting for the training to end"
  run_child flock -s -w 7776000 "$LOCK_DIR/lock" true || die "the training did not end in 90 days: nothing is published"
}

bash "$ftc_dir/check_image.sh"
# shellcheck source-path=SCRIPTDIR source=rendezvous_volcano.sh
source "$ftc_dir/rendezvous.sh"
if ((NODE_RANK > 0)); then log "publish: node 0 publishes" && exit; fi
# -t script runs this script after the training, without a lock.
if [[ -n ${LOCK_DIR:-} ]]; then wait_for_the_training; fi

steps=(train) result=output
if [[ -e $ftc_dir/merge.yaml ]]; then steps+=(merge) result=merged; fi
if [[ -e $ftc_dir/quantize.yaml ]]; then steps+=(quantize) result=quantized; fi
if [[ ${CHAT_TEMPLATE_CHECK:-} == fail ]]; then steps+=(check); fi
for step in "${steps[@]}"; do
  marker=$run_dir/$step.done
  [[ -f $marker && -s $marker && ! -L $marker ]] || die "$step did not finish: nothing is published; the log of train says why"
done
# Every attempt to publish this result has the same ID: the time of the marker and a digest of the run's name.
time=$(date -u -d "@$(stat -c %Y -- "$marker")" +%Y%m%d-%H%M%S)
[[ $time =~ ^20[0-9]{6}-[0-9]{6}$ ]] || die "$marker has the time '$time': is the clock of the file system right?"
run_digest=$(printf '%s' "$JOB_NAME" | sha256sum)
export RESULT_ID=$time-${run_digest:0:8}
log "publish: started"
# A client may wait forever for the answer of a server, so the upload has a time limit.
SECONDS=0 status=0
limit=${PUBLISH_TIMEOUT:-21600}
run_child timeout -k 10 "$limit" "$@" "$workspace" "$JOB_NAME/$result" || status=$?
# A killed program may leave an incomplete line, such as a progress bar.
if ((status > 1)); then echo >&2; fi
if ((status == 124 || (status == 137 && SECONDS >= limit))); then
  die "publish: the upload took longer than $limit seconds: look at the network; a restart of the job does not train again"
elif ((status)); then
  die "publish: the result is not published, or only a part of it: the lines above say why; a restart of the job does not train again"
fi
log "publish: done"
