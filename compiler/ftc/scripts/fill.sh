#!/usr/bin/env bash
# fill.sh SCRATCH DOWNLOADER...: makes TARGET_DIR of what the downloader brings, by way of SCRATCH, an empty directory next
# to it. fetch.sh runs it under its time limit.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${TARGET_DIR:?}"
scratch=$1 status=0
# mktemp closes its directory to others: what is published is made inside it.
whole=$scratch/whole
export DOWNLOAD_DIR=$scratch/files REVISION_FILE=$scratch/revision
# shellcheck source-path=SCRIPTDIR source=marker.sh
source "$ftc_dir/marker.sh"

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

seal() {
  mv -T -- "$DOWNLOAD_DIR" "$whole/files"
  { cat -- "$REVISION_FILE" && printf 'requested: %s\nsource: %s\n' "${REVISION:-}" "$SOURCE"; } >"$whole/.ftc-revision" ||
    die "cannot write the marker of $SOURCE: is the cache volume full?"
  read_marker "$whole/.ftc-revision" || die "the downloader does not say in one line which revision of $SOURCE came"
  # Before the rename, so that no power failure leaves a name without its contents. Where sync cannot write back one file
  # system, and report what its disk refused, it writes back all of them.
  if sync --help 2>&1 | grep -q -e '-f'; then
    sync -f -- "$whole" || die "the disk of the cache does not take the files of $SOURCE"
  else
    sync
  fi
}

# What is in the way without a marker was never finished by ftc. It is kept for a day, like an abandoned download.
move_aside() {
  local aside
  aside=$(mktemp -d -- "$TARGET_DIR.ftc-tmp.XXXXXX")
  mv -T -- "$TARGET_DIR" "$aside/leftover" 2>/dev/null || return 0
  # Another job may have repaired it between the look and the move: then this was the good copy.
  if is_whole "$aside/leftover" && mv -T -- "$aside/leftover" "$TARGET_DIR" 2>/dev/null; then return 0; fi
  log "$TARGET_DIR was there without the mark of a finished download: moved to $aside/leftover, kept for a day"
}

place() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if mv -T -- "$whole" "$TARGET_DIR" 2>/dev/null; then return 0; fi
    if is_whole "$TARGET_DIR"; then log "another job has fetched $SOURCE meanwhile: dropping this copy" && return; fi
    move_aside
  done
  die "cannot rename $whole to $TARGET_DIR ($attempt attempts): is the cache volume writable?"
}

mkdir -- "$DOWNLOAD_DIR" "$whole" || die "cannot write to $scratch: is the cache volume full?"
"${@:2}" || status=$?
# With status 1 the downloader has said why itself.
if ((status > 1)); then die "downloading $SOURCE ended with status $status: the lines above say why"; fi
if ((status == 1)); then exit 1; fi
bash "$ftc_dir/check_fetched.sh" "$DOWNLOAD_DIR"
seal
place
