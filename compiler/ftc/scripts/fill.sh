#!/usr/bin/env bash
# fill.sh SCRATCH DOWNLOADER...: downloads into SCRATCH, an empty directory next to TARGET_DIR, and renames it to
# TARGET_DIR. fetch.sh runs it under its time limit.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${TARGET_DIR:?}"
scratch=$1 status=0
# Only the owner can read the directory of mktemp, so the directory that is published is created inside it.
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
  read_marker "$whole/.ftc-revision" || die "the downloader did not report the revision of $SOURCE in one line"
  # Before the rename, so that a power failure cannot leave a directory without its contents. A sync without the option -f
  # writes back all file systems and reports no errors.
  if sync --help 2>&1 | grep -q -e '-f'; then
    sync -f -- "$whole" || die "cannot write the files of $SOURCE to the disk of the cache"
  else
    sync
  fi
}

# A directory without a marker is not a finished download. It is kept for a day, like an abandoned download.
move_aside() {
  local aside
  aside=$(mktemp -d -- "$TARGET_DIR.ftc-tmp.XXXXXX")
  mv -T -- "$TARGET_DIR" "$aside/leftover" 2>/dev/null || return 0
  # Another job may have replaced it between the check and the move; then this is a complete copy.
  if is_whole "$aside/leftover" && mv -T -- "$aside/leftover" "$TARGET_DIR" 2>/dev/null; then return 0; fi
  log "$TARGET_DIR had no marker of a finished download: moved to $aside/leftover, kept for a day"
}

place() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if mv -T -- "$whole" "$TARGET_DIR" 2>/dev/null; then return 0; fi
    if is_whole "$TARGET_DIR"; then log "another job has fetched $SOURCE in the meantime: dropping this copy" && return; fi
    move_aside
  done
  die "cannot rename $whole to $TARGET_DIR ($attempt attempts): is the cache volume writable?"
}

mkdir -- "$DOWNLOAD_DIR" "$whole" || die "cannot write to $scratch: is the cache volume full?"
"${@:2}" || status=$?
# With status 1 the downloader has printed the reason.
if ((status > 1)); then die "downloading $SOURCE ended with status $status: the lines above say why"; fi
if ((status == 1)); then exit 1; fi
bash "$ftc_dir/check_fetched.sh" "$DOWNLOAD_DIR"
seal
place
