#!/usr/bin/env bash
# check_fetched.sh DIRECTORY: checks that a download contains only directories, complete files, and links that stay in
# it: through another link, a program would read or write a file that the repository chose. The check follows no link.
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

# list TEST...: sets 'found' to the entries that pass find's TEST. find's status is its last element, because bash 5.2 may
# lose the status of a process substitution: 'wait "$!"' then returns -1.
list() {
  mapfile -d '' -t found < <(status=0; find "$directory" -mindepth 1 "$@" -print0 || status=$?; printf '%s\0' "$status")
  [[ ${#found[@]} -gt 0 && ${found[-1]} == 0 ]] || die "$directory" "cannot be read"
  unset 'found[-1]'
}

[[ -n $(find "$directory" -mindepth 1 -maxdepth 1 -print -quit) ]] || die "$directory" "is empty: the source sent no files"
refuse "is not a file, a directory or a link" ! -type f ! -type d ! -type l
refuse "is a link to an absolute path: links may only lead to files of the same source" -type l -lname '/*'

list -type l
for link in "${found[@]}"; do
  to=$(realpath -m -- "$link") || die "$link" "is a link that cannot be resolved"
  [[ $to == "$directory" || $to == "$directory"/* ]] ||
    die "$link" "is a link that leads out of the source: links may only lead to files of the same source"
done

list -type f -size -1024c
for file in "${found[@]}"; do
  [[ -r $file ]] || die "$file" "cannot be read"
  # Only the first line: a text file may quote a pointer. An empty file has none.
  IFS= read -r first <"$file" || true
  [[ $first != "$pointer" ]] || die "$file" "is a git-lfs pointer, not the file itself: the source does not have the large file"
done
