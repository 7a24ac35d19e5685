# Completion of ftc for bash 3.2 and later: source <(ftc completion bash)
_ftc() {
  local kind word candidate
  COMPREPLY=()
  # Bash splits words at = : and @, so ftc gets the line up to the cursor and splits it itself. Of its answer, the first
  # line says what to complete, the second is the word; each other line is a completion of the whole word.
  {
    IFS= read -r kind
    IFS= read -r word
    # Bash replaces only the part of the word after the last separator, $2.
    word=${word%"$2"}
    while IFS= read -r candidate; do
      COMPREPLY+=("${candidate#"$word"}")
    done
  } < <(_FTC_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if [[ $kind == files || $kind == directories ]]; then
    local option=-f
    [[ $kind == directories ]] && option=-d
    while IFS= read -r candidate; do
      COMPREPLY+=("$candidate")
    done < <(compgen "$option" -- "$2")
    compopt -o filenames +o nospace 2>/dev/null
  fi
}
complete -o nospace -F _ftc ftc
