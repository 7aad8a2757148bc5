# Completion of subliminal in bash, also as python -m subliminal; see config/completion.py.
_subliminal() {
  local program=("${1/#\~/$HOME}") reply
  [[ "${1##*/}" == python* ]] && program+=(-m subliminal)
  COMPREPLY=()
  while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(
    "${program[@]}" --complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}
_subliminal_python() {
  if [[ "$COMP_LINE" == *" -m subliminal"* ]]; then _subliminal "$@"
  elif declare -F _python >/dev/null; then _python "$@"; fi
}
complete -o nospace -o default -F _subliminal subliminal
complete -o nospace -o default -F _subliminal_python python python3
