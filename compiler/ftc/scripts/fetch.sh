#!/usr/bin/env bash
# fetch.sh DOWNLOADER...: puts one source into the cache and checks it.
# A source comes to TARGET_DIR by one rename, with a marker inside: a directory that holds the marker is whole.
# Nothing is locked. Two jobs may download the same source at once; the second drops its copy.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${TARGET_DIR:?}" "${NNODES:?}" "${SHARED_CACHE:?}" "${FETCH_TIMEOUT:?}"
export REVISION=${REVISION:-}
what=$SOURCE${REVISION:+ at $REVISION}
marker=$TARGET_DIR/.ftc-revision
scratch='' child='' rank=0

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

clean_up() {
  if [[ -n $child ]]; then
    kill "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  if [[ -n $scratch ]]; then rm -rf -- "$scratch"; fi
}
trap clean_up EXIT
# A first process of a container ignores signals that it does not trap.
trap 'exit 143' TERM INT

# No download runs longer than its time limit: what is a day older than that was killed.
remove_abandoned() {
  find "$(dirname -- "$TARGET_DIR")" -maxdepth 1 -name '*.ftc-tmp.*' -mmin "+$((1440 + FETCH_TIMEOUT / 60))" \
    -exec echo 'ftc: removing an abandoned download:' {} \; -exec rm -rf -- {} \;
}

download() {
  local status=0
  mkdir -p -- "$(dirname -- "$TARGET_DIR")" || die "cannot make the directory of $TARGET_DIR: is the cache volume writable?"
  remove_abandoned
  scratch=$(mktemp -d -- "$TARGET_DIR.ftc-tmp.XXXXXX") || die "cannot write beside $TARGET_DIR: is the cache volume writable?"
  mkdir -- "$scratch/files"
  log "downloading $what"
  # In the background, because bash acts on a signal only between foreground commands.
  DOWNLOAD_DIR=$scratch/files REVISION_FILE=$scratch/revision timeout -k 10 "$FETCH_TIMEOUT" "$@" &
  child=$!
  wait "$child" || status=$?
  child=''
  if ((status == 124)); then die "downloading $what took longer than $FETCH_TIMEOUT seconds: raise the time limit or look at the network"; fi
  # With status 1 the downloader has said why itself.
  if ((status > 1)); then die "downloading $what ended with status $status: the lines above say why"; fi
  if ((status == 1)); then exit 1; fi
  TARGET_DIR=$scratch/files REVISION='' EXPECT_DATASETS='' bash "$ftc_dir/check_path.sh" 99
  { cat -- "$scratch/revision" && printf 'requested: %s\nsource: %s\n' "$REVISION" "$SOURCE"; } >"$scratch/files/.ftc-revision"
}

# What stands in the way without a marker was never finished by ftc. It is kept for a day, like an abandoned download.
move_aside() {
  local aside
  aside=$(mktemp -d -- "$TARGET_DIR.ftc-tmp.XXXXXX")
  mv -T -- "$TARGET_DIR" "$aside/leftover" 2>/dev/null || return 0
  # Another job may have repaired it between the look and the move: then this was the good copy.
  if [[ -e $aside/leftover/.ftc-revision ]] && mv -T -- "$aside/leftover" "$TARGET_DIR" 2>/dev/null; then return 0; fi
  log "$TARGET_DIR was there without the mark of a finished download: moved to $aside/leftover, kept for a day"
}

place() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if mv -T -- "$scratch/files" "$TARGET_DIR" 2>/dev/null; then return 0; fi
    if [[ -e $marker ]]; then log "another job has fetched $what meanwhile: dropping this copy" && return; fi
    move_aside
  done
  die "cannot rename $scratch/files to $TARGET_DIR ($attempt attempts): is the cache volume writable?"
}

wait_for_rank_0() {
  local next=0
  until [[ -e $marker ]]; do
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
if [[ -e $marker ]]; then
  log "found in the cache: $what"
elif [[ $SHARED_CACHE == true ]] && ((rank > 0)); then
  wait_for_rank_0
else
  download "$@"
  place
fi
REVISION='' bash "$ftc_dir/check_path.sh"
log "ready: $TARGET_DIR, revision $(head -n 1 -- "$marker")"
