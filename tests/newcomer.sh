#!/usr/bin/env bash
# A newcomer's hour on a fresh clone, by the commands of the documentation: tests/newcomer.sh [FOLDER
# [STAGE…]]. Stages: install start mitigation completion recipes site (default: all). FOLDER gets the
# clone, screenshots of the site, and a home directory, so no file of the user changes.
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(realpath -m "${1:-$(mktemp -d)}")
shift || true
[ $# -gt 0 ] || set -- install start mitigation completion recipes site
clone=$folder/clone
mkdir -p "$folder/home"
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache} HOME=$folder/home SHELL=/bin/bash WANDB_MODE=offline
export PATH=$clone/.venv/bin:$PATH

blocks() { # FILE KIND: the contents of a page's fenced blocks of a kind
  sed -n "/^\`\`\`$2\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "$1"
}

install() {
  rm -rf "$clone"
  git clone --quiet "$top" "$clone"
  make --silent -C "$clone" install
}

start() { # the first page's commands: a figure, a question, runs --where
  (cd "$clone" && eval "$(blocks docs/index.md sh)")
}

mitigation() { # the files and the first command of docs/extending.md
  mkdir -p "$folder/own" && cd "$folder/own"
  local file
  for file in conf/mitigation/undecided.yaml undecided.py; do
    mkdir -p "$(dirname "lab/$file")"
    sed -n "\\|^\`lab/$file\`:|,/^\`\`\`\$/p" "$clone/docs/extending.md" | sed '1,/^```/d;/^```$/d' > "lab/$file"
  done
  eval "$(blocks "$clone/docs/extending.md" sh | head -1) preset=quick"
}

completion() { # in a bash that has just started
  bash --rcfile "$HOME/.bashrc" -ic '
    COMP_LINE="subliminal train mitigation=limi" COMP_POINT=${#COMP_LINE} COMP_WORDBREAKS=" ="
    time _subliminal subliminal
    [[ "${COMPREPLY[*]}" == liminal* ]]' 2>&1 | grep -v "job control\|terminal process"
}

recipes() { # in a folder each; a launcher would need a cluster
  local page name
  for page in "$clone"/docs/recipes/*.md; do
    name=$(basename "$page" .md)
    echo "recipe $name"
    mkdir -p "$folder/recipes/$name" && cd "$folder/recipes/$name"
    # Python that makes a recipe's data stands before its commands, Python that reads its runs behind.
    grep -q 'sl.load' "$page" || blocks "$page" python | python -
    eval "$(blocks "$page" sh | sed 's| hydra/launcher=[^ ]*||')"
    if grep -q 'sl.load' "$page"; then blocks "$page" python | python -; fi
  done
}

site() {
  make --silent -C "$clone" docs
  command -v chromium >/dev/null || echo 'no chromium: the site is built and not opened'
  (cd "$clone" && pytest -q -m slow tests/test_site.py --basetemp="$folder/screenshots")
}

for stage; do
  SECONDS=0
  set +e # a condition around the stage would let it go on after a failing command
  (set -e && "$stage") > "$folder/$stage.log" 2>&1
  status=$?
  set -e
  echo "$stage: status $status after $SECONDS s, $folder/$stage.log"
  [ $status = 0 ] || { tail -5 "$folder/$stage.log" && exit 1; }
done
