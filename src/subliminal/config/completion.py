"""Tab completion of bash, zsh and fish, for `subliminal …` and `python -m subliminal…`.

A shell calls `subliminal --complete SHELL LINE`, and prints one of the answers in place of the
line's last word. Neither Hydra nor torch is imported, so an answer takes about 0.1 s.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from platformdirs import user_config_path, user_data_path

from subliminal.config import groups
from subliminal.config.resources import CONF, DEFENCES
from subliminal.errors import UserError

# Flags of each command, besides --help; a test compares them with the commands' own parsers.
FLAGS = {
    "train": "-m --multirun --cfg --resolve --config-dir --info --hydra-help",
    "judge": "--entry --all --threat --full --quick --search --track --plan --config-dir",
    "runs": "--outputs --json",
    "report": "--text --together",
    "reproduce": "",
    "dashboard": "--experiment --entity --project --spec",
    "sync": "--dry-run",
}
_SUBCOMMANDS = {"runs": ("list", "show", "diff")}
_VALUES = {"--cfg": ("job", "hydra", "all"), "--track": ("blind", "aware")}

_BASH = """
_subliminal() {
  local program=("${1/#\\~/$HOME}") reply
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
"""
_ZSH = """
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_subliminal() {
  local -a program replies
  program=("${words[1]/#\\~/$HOME}")
  if [[ "${program[1]:t}" == python* ]]; then
    [[ "$words" == *" -m subliminal"* ]] || { _python "$@" 2>/dev/null || _files; return }
    program+=(-m subliminal)
  fi
  replies=("${(@f)$($program --complete zsh "${words[1,CURRENT-1]} $PREFIX" 2>/dev/null)}")
  if [[ -n "$replies" ]]; then compadd -Q -S '' -- $replies; else _files; fi
}
compdef _subliminal subliminal python python3
"""
_FISH = """
function __subliminal
  set -l words (commandline -opc)
  set -l program (string replace -r '^~' $HOME -- $words[1])
  string match -qr 'python[0-9.]*$' -- $program; and set -a program -m subliminal
  $program --complete fish "$words "(commandline -ct) 2>/dev/null
end
complete -c subliminal -a '(__subliminal)'
complete -c python -c python3 -n 'string match -q "* -m subliminal*" (commandline -pc)' \\
  -a '(__subliminal)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def install(shell: str | None = None) -> list[str]:
    """Write a shell's completion script and load it at the shell's start; return what was written.

    Args:
        shell: bash | zsh | fish; None: that of the environment variable SHELL.

    Raises:
        UserError: there is no script for this shell, or a file cannot be written.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in _SCRIPTS:
        raise UserError(f"--install-completion {shell}: one of {', '.join(_SCRIPTS)}")
    if shell == "fish":  # which reads this folder
        script, start = user_config_path("fish") / "conf.d" / "subliminal.fish", None
    else:
        script = user_data_path("subliminal") / f"completion.{shell}"
        start = Path.home() / f".{shell}rc"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_SCRIPTS[shell].lstrip(), encoding="utf-8")
    written = [script]
    if start is not None:
        line = f"source {shlex.quote(str(script))}"
        before = start.read_text(encoding="utf-8") if start.exists() else ""
        if line not in before.splitlines():
            with start.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n" if before.endswith("\n") or not before else f"\n{line}\n")
            written.append(start)
    return [*map(str, written), f"Tab completes in every new {shell}."]


def replies(shell: str, line: str, breaks: str = "") -> list[str]:
    """Return what may replace the last word of a command line, in the form that a shell takes.

    A reply that a space may follow ends in one for bash and zsh; fish adds it itself. bash replaces
    only the part behind the last of the characters `breaks`.
    """
    words, current, quote = _split(line)
    found = sorted(set(_completed(words, current)))
    if shell == "fish":
        return [reply.strip() for reply in found]
    cut = 0 if quote else max((current.rfind(one) + 1 for one in breaks), default=0)
    return [reply[cut:].rstrip() if quote else reply[cut:] for reply in found]


def _split(line: str) -> tuple[list[str], str, bool]:
    """Return a line's words behind the program's name, its unfinished word, and if it is quoted."""
    words: list[str] = []
    is_quoted = False
    for end in ("", "'", '"'):
        try:
            words = shlex.split(line + end)
        except ValueError:  # an open quotation mark
            continue
        is_quoted = bool(end)
        break
    if line[-1:].isspace() and not is_quoted:
        words.append("")
    for place, word in enumerate(words):
        if module := re.fullmatch(r"subliminal(?:\.(\w+))?", Path(word).name):
            rest = [module[1]] if module[1] else []
            words = rest + words[place + 1 :]
            break
    return words[:-1], words[-1] if words else "", is_quoted


def _completed(words: list[str], current: str) -> Iterator[str]:
    """Yield completed last words, each with a space if nothing can follow within the word."""
    if not words:
        names = [*FLAGS, "--help", "--install-completion"]
        yield from (f"{name} " for name in names if name.startswith(current))
        return
    command, *given = words
    last = given[-1] if given else ""
    if command == "--install-completion":
        yield from (f"{shell} " for shell in _SCRIPTS if shell.startswith(current))
    elif last in _VALUES:
        yield from (f"{value} " for value in _VALUES[last] if value.startswith(current))
    elif last in ("--config-dir", "--outputs", "--together"):
        return  # the shell completes files
    elif current.startswith("-"):
        flags = [*FLAGS.get(command, "").split(), "--help"]
        yield from (f"{flag} " for flag in flags if flag.startswith(current))
    elif command in ("train", "judge"):
        yield from _overrides(command, given, current)
    elif not given:
        names = [*_SUBCOMMANDS.get(command, ())]
        yield from (f"{name} " for name in names if name.startswith(current))


def _overrides(command: str, given: list[str], current: str) -> Iterator[str]:
    folders = [CONF]
    for before, word in zip(["", *given], given, strict=False):
        flag, _, value = word.partition("=")
        if before == "--config-dir" or flag == "--config-dir":
            folders.append(Path(value if flag == "--config-dir" else word).expanduser())
    there = groups.options(folders)
    there["sweep"] = groups.sweeps()
    if command == "judge":
        there["entry"] = {file.stem: file for file in DEFENCES.glob("*.yaml")}
    last = given[-1] if given else ""
    if command == "judge" and last in ("--entry", "--threat"):
        yield from (f"{name} " for name in there[last[2:]] if name.startswith(current))
        return
    keys = groups.Keys(folders, [word for word in given if "=" in word])
    if "--help" in given and "=" not in current:
        names = sorted({*there, "all", "metrics"})
        yield from (f"{name} " for name in names if name.startswith(current))
        return
    key, is_value, text = current.partition("=")
    if not is_value:
        yield from _keys(
            {*keys.groups, *(group for group in there if "hydra/" in group)}, keys, key
        )
        return
    # Of `none,lim` and `[liminal,pro` the part behind the last comma is completed.
    head = re.match(r".*[,\[]", text)
    done = head[0] if head else ""
    part = text.removeprefix(done)
    if key == "pair":
        values: Iterable[str] = [*there, *keys.values]
    elif (group := key.partition("@")[0]) in there:
        values = groups.variants(there, group)
    else:
        values = _values(keys.values.get(key, ""))
    several = done or not {"-m", "--multirun"}.isdisjoint(given) or key == "pair"
    yield from (
        f"{key}={done}{value}{'' if several else ' '}" for value in values if value.startswith(part)
    )


def _keys(names: set[str], keys: groups.Keys, current: str) -> Iterator[str]:
    """Yield `group=`, and of keys the part up to the next dot or `=`."""
    shown = [key for key in keys.values if "_target_" not in key and not key.startswith("hydra.")]
    for name in (*names, "pair", "grid", *shown):
        dot = name.find(".", len(current)) + 1
        if name.startswith(current):
            yield name[:dot] if dot and "@" not in name else f"{name}="


def _values(value: object) -> list[str]:
    """Return true and false for a switch, else the value in `conf/` as it is written there."""
    if isinstance(value, bool):
        return ["true", "false"]
    if isinstance(value, list):
        return [f"[{','.join(map(str, value))}]"]
    return ["null" if value is None else str(value)]
