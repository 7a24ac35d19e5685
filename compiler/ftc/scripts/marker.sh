#!/usr/bin/env bash
# Sourced by the scripts that read the marker of a finished download: the revision that came, the one that was asked
# for, and the source, a line each.

# read_marker FILE: sets `resolved` and `requested`; fails where ftc did not finish FILE. A node that loses power, or a
# disk that is full, leaves a file that is empty or cut short. ftc makes no link.
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
