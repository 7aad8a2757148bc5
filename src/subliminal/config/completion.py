"""Tab completion of bash, zsh and fish, for `subliminal …` and `python -m subliminal…`.

A shell calls `subliminal --complete SHELL LINE`, and prints one of the answers in place of the
line's last word. Neither Hydra nor torch is imported, so an answer takes about 0.1 s.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import yaml
from platformdirs import user_data_path

from subliminal.config import groups
from subliminal.config.resources import COMPLETIONS, CONF, DEFENCES
from subliminal.errors import UserError

_WORDS = yaml.safe_load((COMPLETIONS / "words.yaml").read_text(encoding="utf-8"))
FLAGS, VALUES = ({k: v.split() for k, v in _WORDS[name].items()} for name in ("flags", "values"))
_START = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}


def install(shell: str | None = None) -> list[str]:
    """Write a shell's completion script, which it loads when it starts; return the files.

    Args:
        shell: bash | zsh | fish; None: that of the environment variable SHELL.

    Raises:
        UserError: there is no script for this shell.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in _START:
        raise UserError(f"--install-completion {shell}: one of {', '.join(_START)}")
    script = user_data_path("subliminal") / f"completion.{shell}"
    start = Path.home() / _START[shell]
    for folder in (script.parent, start.parent):
        folder.mkdir(parents=True, exist_ok=True)
    script.write_bytes((COMPLETIONS / f"subliminal.{shell}").read_bytes())
    line = f"source {shlex.quote(str(script))}"
    before = start.read_text(encoding="utf-8") if start.exists() else ""
    if line not in before.splitlines():
        with start.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    return [str(script), str(start), f"Tab completes in every new {shell}."]


def replies(shell: str, line: str, breaks: str = "") -> list[str]:
    """Return what may replace the last word of a command line.

    A reply that a space follows ends in one; fish adds it itself. bash replaces only the part of
    the word behind the last of the characters `breaks`.
    """
    words, current, is_quoted = _split(line)
    found = sorted({word for word in _words(words, current) if word.startswith(current)})
    cut = 0 if is_quoted else max((current.rfind(one) + 1 for one in breaks), default=0)
    bare = is_quoted or shell == "fish"
    return [word[cut:].rstrip() if bare else word[cut:] for word in found]


def _split(line: str) -> tuple[list[str], str, bool]:
    """Return a line's words behind the program's name, the unfinished one, and if it is quoted."""
    words: list[str] = []
    for end in ("", "'", '"'):  # of an open quotation mark
        with suppress(ValueError):
            words = shlex.split(line + end)
            break
    if line[-1:].isspace() and not end:
        words.append("")
    for place, word in enumerate(words):
        if module := re.fullmatch(r"subliminal(?:\.(\w+))?", Path(word).name):
            words = [name for name in module.groups() if name] + words[place + 1 :]
            break
    return words[:-1], words[-1] if words else "", bool(end)


def _words(words: list[str], current: str) -> Iterable[str]:
    """Return the words that may stand after others, with a space if nothing follows in a word."""
    command, *given = words or [""]
    last = words[-1] if words else ""
    if command in ("train", "judge"):
        own = re.findall(r"(?:^|\n)--config-dir[=\n](.+)", "\n".join(given))
        folders = [CONF, *(Path(folder).expanduser() for folder in own)]
        there = groups.options(folders) | {"sweep": groups.sweeps()}
        there["entry"] = {file.stem: file for file in DEFENCES.glob("*.yaml")}
    names: Iterable[str]
    if last in VALUES and not (last == command and current.startswith("-")):
        names = VALUES[last]
    elif command == "judge" and last in ("--entry", "--threat"):
        names = there[last[2:]]
    elif current.startswith("-"):
        names = [*FLAGS.get(command, ["--install-completion"]), "--help"]
    elif command in ("train", "judge"):
        return _overrides(there, folders, given, current)
    else:
        names = () if words else FLAGS
    return [f"{name} " for name in names]


def _overrides(
    there: groups.Groups, folders: list[Path], given: list[str], current: str
) -> list[str]:
    """Return `group=`, options and values; of a dotted key the part up to the next dot."""
    key, is_value, text = current.partition("=")
    if "--help" in given and not is_value:
        return [f"{name} " for name in (*there, "all", "metrics")]
    values, chosen = groups.composed(folders, [word for word in given if "=" in word])
    shown = [k for k in values if "_target_" not in k and not k.startswith("hydra.")]
    if not is_value:
        whole = [*chosen, *(group for group in there if "hydra/" in group), "pair", "grid"]
        dotted = [f"{key}=" for key in shown]
        at = len(current)
        return [f"{k}=" for k in whole] + [k[: k.find(".", at) + 1 or None] for k in dotted]
    # Of `none,lim` and `[liminal,pro` the part behind the last comma is completed.
    done = text[: max(text.rfind(","), text.rfind("[")) + 1]
    answers: Iterable[str] = groups.variants(there, key.partition("@")[0])
    if key == "pair":
        answers = [*chosen, *shown]
    elif not answers:
        value = json.dumps(values.get(key, ""), separators=(",", ":")).replace('"', "")
        answers = ["true", "false"] if value in ("true", "false") else [value]
    several = done or key == "pair" or not {"-m", "--multirun"}.isdisjoint(given)
    return [f"{key}={done}{value}{'' if several else ' '}" for value in answers]
