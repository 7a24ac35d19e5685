#compdef ftc
# Completion of ftc for zsh: source <(ftc completion zsh), after compinit
_ftc() {
  local -a answer whole begun
  local line value
  # The first line says what to complete; each other line is a completion, and after a tab its description.
  answer=("${(@f)$(_FTC_COMPLETE=zsh ${(Q)words[1]} "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  for line in "${(@)answer[2,-1]}"; do
    [[ -n $line ]] || continue
    value=${${line%%$'\t'*}//:/\\:}
    [[ $line == *$'\t'* ]] && value+=:${line#*$'\t'}
    if [[ ${line%%$'\t'*} == *[=.] ]]; then begun+=("$value"); else whole+=("$value"); fi
  done
  (($#whole)) && _describe -V ftc whole
  (($#begun)) && _describe -V ftc begun -S ''
  case $answer[1] in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _ftc "$@"
else
  compdef _ftc ftc
fi
