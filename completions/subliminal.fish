# Completion of subliminal in fish.
function __subliminal
  set -l words (commandline -opc)
  set -l program (string replace -r '^~' $HOME -- $words[1])
  string match -qr 'python[0-9.]*$' -- $program; and set -a program -m subliminal
  $program --complete fish "$words "(commandline -ct) 2>/dev/null
end
complete -c subliminal -a '(__subliminal)'
complete -c python -c python3 -n 'string match -q "* -m subliminal*" (commandline -pc)' \
  -a '(__subliminal)'
