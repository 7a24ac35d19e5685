#!/usr/bin/env bash
# stage.sh COMMAND...: copies the model into memory, from which all processes of the node load it, then runs COMMAND.
set -euo pipefail
: "${STAGE_FROM:?}" "${STAGE_TO:?}"
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/child.sh"

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# A restarted container finds the copy of the previous one.
if [[ ! -d $STAGE_TO ]]; then
  parent=$(dirname -- "$STAGE_TO")
  mkdir -p -- "$parent" || die "cannot create $parent: is /dev/shm mounted in this container?"
  # An interrupted copy is removed before the free space is read, because it uses space.
  rm -rf -- "$STAGE_TO.ftc-tmp"
  read -r need _ < <(du -smL -- "$STAGE_FROM")
  # Columns are counted from the percentage, because the name of a share may contain blanks.
  [[ $(df -Pm -- "$parent") =~ ([0-9]+)\ +[0-9]+%\ +/ ]] || die "cannot read the free space of $parent"
  free=${BASH_REMATCH[1]}
  ((need <= free)) || die "$STAGE_FROM needs $need MiB, but $parent has $free MiB free: raise storage.model_in_memory_gib"
  run_child cp -rL -- "$STAGE_FROM" "$STAGE_TO.ftc-tmp" ||
    die "copying $STAGE_FROM to $STAGE_TO failed: the line above says why"
  mv -T -- "$STAGE_TO.ftc-tmp" "$STAGE_TO"
  log "copied $need MiB from $STAGE_FROM to $STAGE_TO in $SECONDS seconds"
fi
exec "$@"
