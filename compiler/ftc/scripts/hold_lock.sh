#!/usr/bin/env bash
# hold_lock.sh COMMAND...: locks LOCK_DIR and execs COMMAND. The kernel releases the lock when the container ends, even
# after SIGKILL; the container that publishes waits for the lock.
set -euo pipefail
: "${LOCK_DIR:?}"

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

command -v flock >/dev/null || die "flock is missing in this image: use an image that has util-linux"
exec {lock}>"$LOCK_DIR/lock" || die "cannot write to $LOCK_DIR: is the volume ftc-lock writable?"
flock -n "$lock" || die "cannot lock $LOCK_DIR/lock"
: >"$LOCK_DIR/started"
exec "$@"
