#!/usr/bin/env bash
# fetch.sh DOWNLOADER...: downloads one source into the cache and checks it.
# ftc owns TARGET_DIR: the files are in TARGET_DIR/files, and the marker of a finished download is next to that directory,
# where no repository can place a file. One rename publishes both, so a directory with a marker is complete.
# There is no lock. If two jobs download the same source at the same time, the second one drops its copy.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${TARGET_DIR:?}" "${NNODES:?}" "${SHARED_CACHE:?}" "${FETCH_TIMEOUT:?}"
export REVISION=${REVISION:-}
what=$SOURCE${REVISION:+ at $REVISION}
scratch='' rank=0
SECONDS=0 # bash takes its initial value from the environment

# shellcheck source-path=SCRIPTDIR source=marker.sh
source "$ftc_dir/marker.sh"
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$ftc_dir/child.sh"
trap 'rm -rf -- "$scratch"' EXIT

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# limited DOING COMMAND...: runs COMMAND under the time limit.
limited() {
  local status=0
  run_child timeout -k 10 "$FETCH_TIMEOUT" "${@:2}" || status=$?
  # A killed program may leave an incomplete line, such as a progress bar.
  if ((status > 1)); then echo >&2; fi
  if ((status == 124 || (status == 137 && SECONDS >= FETCH_TIMEOUT))); then
    die "$1 took longer than $FETCH_TIMEOUT seconds: raise the time limit or look at the network"
  fi
  # With status 1 the command has printed the reason.
  if ((status > 1)); then die "$1 ended with status $status: the lines above say why"; fi
  if ((status == 1)); then exit 1; fi
}

# A download ends within its time limit, so one that is a day older was killed. Another job may remove it concurrently.
remove_abandoned() {
  find "$(dirname -- "$TARGET_DIR")/" -maxdepth 1 -name '*.ftc-tmp.*' -mmin "+$((1440 + FETCH_TIMEOUT / 60))" \
    -exec echo 'ftc: removing an abandoned download:' {} \; -exec rm -rf -- {} \; || true
}

download() {
  mkdir -p -- "$(dirname -- "$TARGET_DIR")" || die "cannot create the directory of $TARGET_DIR: is the cache volume writable?"
  remove_abandoned
  scratch=$(mktemp -d -- "$TARGET_DIR.ftc-tmp.XXXXXX") || die "cannot write next to $TARGET_DIR: is the cache volume writable?"
  log "downloading $what"
  limited "downloading $what" bash "$ftc_dir/fill.sh" "$scratch" "$@"
}

wait_for_rank_0() {
  local next=0
  until is_whole "$TARGET_DIR"; do
    if ((SECONDS >= FETCH_TIMEOUT)); then die "rank 0 has not fetched $what in $FETCH_TIMEOUT seconds: read the log of its init container"; fi
    if ((SECONDS >= next)); then
      log "waiting for rank 0 to fetch $what ($SECONDS of $FETCH_TIMEOUT seconds)"
      next=$((SECONDS + 60))
    fi
    sleep 1
  done
}

if ((NNODES > 1)); then
  # shellcheck source-path=SCRIPTDIR source=rendezvous_volcano.sh
  source "$ftc_dir/rendezvous.sh"
  rank=$NODE_RANK
fi
if is_whole "$TARGET_DIR"; then
  log "found in the cache: $what"
elif [[ $SHARED_CACHE == true ]] && ((rank > 0)); then
  wait_for_rank_0
else
  download "$@"
fi
# The nodes share the files, so one of them checks the rows.
if [[ $SHARED_CACHE == true ]] && ((rank > 0)); then unset CHECK_DATASET; fi
SECONDS=0
FETCHED=true REVISION='' TARGET_DIR=$TARGET_DIR/files limited "checking $what" bash "$ftc_dir/check_path.sh"
log "ready: $TARGET_DIR/files, revision $(head -n 1 -- "$TARGET_DIR/.ftc-revision")"
