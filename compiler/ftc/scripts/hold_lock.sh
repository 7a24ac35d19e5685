#!/usr/bin/env bash
# hold_lock.sh COMMAND...: becomes COMMAND, which holds the lock in LOCK_DIR for the life of its container: the kernel
# releases the lock, also after a SIGKILL. The container that publishes waits for that.
set -euo pipefail
: "${LOCK_DIR:?}"

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

command -v flock >/dev/null || die "flock is missing in this image: use an image that has util-linux"
exec {lock}>"$LOCK_DIR/lock" || die "cannot write to $LOCK_DIR: is the volume ftc-lock writable?"
flock -n "$lock" || die "cannot lock $LOCK_DIR/lock"
: >"$LOCK_DIR/started"
exec "$@"
