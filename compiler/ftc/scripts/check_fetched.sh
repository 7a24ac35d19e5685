#!/usr/bin/env bash
# check_fetched.sh DIRECTORY: checks that a download has complete files and directories only, and no link that leads out
# of it, through which a reader or writer would reach a file that the repository chose. It follows no link.
set -euo pipefail
export LC_ALL=C
pointer='version https://git-lfs.github.com/spec/v1'
directory=$(cd -- "${1:?}" && pwd -P)

# die PATH REASON: the path is quoted, because a newline in it would start a new line in the log.
die() { printf 'ftc: error: %q %s\n' "${1#"$directory"/}" "$2" >&2; exit 1; }

# refuse REASON TEST...: the first entry that passes find's TEST ends the check.
refuse() {
  local found
  found=$(find "$directory" -mindepth 1 "${@:2}" -print -quit)
  if [[ -n $found ]]; then die "$found" "$1"; fi
}

[[ -n $(find "$directory" -mindepth 1 -maxdepth 1 -print -quit) ]] || die "$directory" "is empty: the source sent no files"
refuse "is not a file, a directory or a link" ! -type f ! -type d ! -type l
refuse "is a link to an absolute path: links may only lead to files of the same source" -type l -lname '/*'

while IFS= read -r -d '' link; do
  to=$(realpath -m -- "$link") || die "$link" "is a link that cannot be resolved"
  [[ $to == "$directory" || $to == "$directory"/* ]] ||
    die "$link" "is a link that leads out of the source: links may only lead to files of the same source"
done < <(find "$directory" -type l -print0)
wait "$!" || die "$directory" "cannot be read"

# find exits with 1 if a grep finds nothing, and with more if a grep was killed.
while IFS= read -r -d '' file; do
  IFS= read -r first <"$file" || true
  # A text file may quote a pointer.
  [[ $first != "$pointer" ]] || die "$file" "is a git-lfs pointer, not the file itself: the source does not have the large file"
done < <(find "$directory" -type f -size -1024c -exec grep -lZx "$pointer" {} +)
wait "$!" || (($? == 1)) || die "$directory" "cannot be read"
