#!/usr/bin/env bash
# stage.sh COMMAND...: copies the model into memory, from where all processes of the node load it, then runs COMMAND.
set -euo pipefail
: "${STAGE_FROM:?}" "${STAGE_TO:?}"
child=''

log() { printf 'ftc: %s\n' "$*"; }
die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

# A first process of a container ignores signals that it does not trap.
on_signal() {
  if [[ -n $child ]]; then kill "$child" 2>/dev/null || true; fi
  exit 143
}
trap on_signal TERM INT

# A container that is restarted finds the copy of the one before.
if [[ ! -d $STAGE_TO ]]; then
  parent=$(dirname -- "$STAGE_TO")
  mkdir -p -- "$parent" || die "cannot make $parent: is /dev/shm mounted in this container?"
  # Before the room is counted: a copy that was killed holds it.
  rm -rf -- "$STAGE_TO.ftc-tmp"
  read -r need _ < <(du -smL -- "$STAGE_FROM")
  # Columns are counted from the percentage: the device may be a share with a blank in its name.
  [[ $(df -Pm -- "$parent") =~ ([0-9]+)\ +[0-9]+%\ +/ ]] || die "df does not say how much room $parent has"
  free=${BASH_REMATCH[1]}
  ((need <= free)) || die "$STAGE_FROM has $need MiB, and $parent has $free MiB free: raise storage.model_in_memory_gib"
  # In the background, because bash acts on a signal only between foreground commands.
  cp -rL -- "$STAGE_FROM" "$STAGE_TO.ftc-tmp" &
  child=$!
  wait "$child" || die "copying $STAGE_FROM to $STAGE_TO failed: the line above says why"
  child=''
  mv -T -- "$STAGE_TO.ftc-tmp" "$STAGE_TO"
  log "copied $need MiB from $STAGE_FROM to $STAGE_TO in $SECONDS seconds"
fi
exec "$@"
