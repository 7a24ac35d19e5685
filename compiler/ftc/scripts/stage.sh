#!/usr/bin/env bash
# stage.sh COMMAND...: copies the model into memory, from which all processes of the node load it, then runs COMMAND.
set -euo pipefail
: "${STAGE_FROM:?}" "${STAGE_TO:?}"
child=''

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# PID 1 of a container ignores signals that it does not trap.
on_signal() {
  if [[ -n $child ]]; then kill "$child" 2>/dev/null || true; fi
  exit 143
}
trap on_signal TERM INT

# A restarted container finds the copy of the previous one.
if [[ ! -d $STAGE_TO ]]; then
  parent=$(dirname -- "$STAGE_TO")
  mkdir -p -- "$parent" || die "cannot create $parent: is /dev/shm mounted in this container?"
  # Before the free space is read, because an interrupted copy uses it.
  rm -rf -- "$STAGE_TO.ftc-tmp"
  read -r need _ < <(du -smL -- "$STAGE_FROM")
  # Columns are counted from the percentage, because the name of a share may contain blanks.
  [[ $(df -Pm -- "$parent") =~ ([0-9]+)\ +[0-9]+%\ +/ ]] || die "cannot read the free space of $parent"
  free=${BASH_REMATCH[1]}
  ((need <= free)) || die "$STAGE_FROM has $need MiB, and $parent has $free MiB free: raise storage.model_in_memory_gib"
  # In the background, because bash handles a signal only between foreground commands.
  cp -rL -- "$STAGE_FROM" "$STAGE_TO.ftc-tmp" &
  child=$!
  wait "$child" || die "copying $STAGE_FROM to $STAGE_TO failed: the line above says why"
  child=''
  mv -T -- "$STAGE_TO.ftc-tmp" "$STAGE_TO"
  log "copied $need MiB from $STAGE_FROM to $STAGE_TO in $SECONDS seconds"
fi
exec "$@"
