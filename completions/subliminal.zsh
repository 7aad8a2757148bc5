# Completion of subliminal in zsh.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_subliminal() {
  local -a program replies
  program=("${words[1]/#\~/$HOME}")
  if [[ "${program[1]:t}" == python* ]]; then
    [[ "$words" == *" -m subliminal"* ]] || { _python "$@" 2>/dev/null || _files; return }
    program+=(-m subliminal)
  fi
  replies=("${(@f)$($program --complete zsh "${words[1,CURRENT-1]} $PREFIX" 2>/dev/null)}")
  if [[ -n "$replies" ]]; then compadd -Q -S '' -- $replies; else _files; fi
}
compdef _subliminal subliminal python python3
