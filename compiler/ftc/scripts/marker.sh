#!/usr/bin/env bash
# Sourced by the scripts that read the marker of a finished download: the resolved revision, the requested revision and
# the source, one per line.

# read_marker FILE: sets `resolved` and `requested`; fails if FILE is incomplete, as after a power failure or on a full
# disk, or is a link, which ftc does not create.
read_marker() {
  local origin
  if [[ ! -f $1 || -L $1 ]]; then return 1; fi
  { IFS= read -r resolved && IFS= read -r requested && IFS= read -r origin; } <"$1" || return 1
  [[ -n $resolved && $requested == 'requested: '* && $origin == 'source: '* ]]
}

# is_whole DIRECTORY: whether it is a finished download.
is_whole() {
  local resolved requested
  [[ -d $1/files && ! -L $1/files ]] && read_marker "$1/.ftc-revision"
}
