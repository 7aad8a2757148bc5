"""Tab completion of bash, zsh and fish, for `subliminal …` and `python -m subliminal…`.

A shell calls `subliminal --complete SHELL LINE`, and prints one of the answers in place of the
line's last word. Neither Hydra nor torch is imported, so an answer takes about 0.1 s.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_config_path, user_data_path

from subliminal.config import groups
from subliminal.config.resources import COMPLETIONS, CONF, DEFENCES
from subliminal.errors import UserError

# Flags of each command, besides --help; a test compares them with the commands' own parsers.
FLAGS = {
    "train": "-m --multirun --cfg --resolve --config-dir --info --hydra-help",
    "judge": "--entry --all --threat --full --quick --search --track --plan --yes --config-dir",
    "runs": "--where --sort --columns --watch --outputs --json",
    "report": "--text --together",
    "reproduce": "",
    "dashboard": "--experiment --entity --project --spec",
    "sync": "--dry-run",
}
SHELLS = ("bash", "zsh", "fish")
_VALUES = {
    "--install-completion": SHELLS,
    "runs": ("list", "show", "diff", "note", "tag", "archive", "delete"),
    "--cfg": ("job", "hydra", "all"),
    "--track": ("blind", "aware"),
}
_FILES = ("--config-dir", "--outputs", "--together", "--spec")


def install(shell: str | None = None) -> list[str]:
    """Write a shell's completion script, which it loads when it starts; return the files.

    Args:
        shell: bash | zsh | fish; None: that of the environment variable SHELL.

    Raises:
        UserError: there is no script for this shell.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise UserError(f"--install-completion {shell}: one of {', '.join(SHELLS)}")
    script = user_data_path("subliminal") / f"completion.{shell}"
    start = Path.home() / f".{shell}rc"
    if shell == "fish":  # which reads a folder
        start = user_config_path("fish") / "conf.d" / "subliminal.fish"
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
    if last in _FILES:
        return ()  # the shell's own
    if command == "judge" and last in ("--entry", "--threat"):
        names: Iterable[str] = _there(given)[last[2:]]
    elif last in _VALUES and (last in words[1:] or not current.startswith("-")):
        names = _VALUES[last]
    elif current.startswith("-"):
        names = [*FLAGS.get(command, "--install-completion").split(), "--help"]
    elif command in ("train", "judge"):
        return _overrides(given, current)
    else:
        names = () if words else FLAGS
    return [f"{name} " for name in names]


def _folders(given: list[str]) -> list[Path]:
    """Return the folders of configs: ours, and a command line's own."""
    own = re.findall(r"(?:^|\n)--config-dir[=\n](.+)", "\n".join(given))
    return [CONF, *(Path(folder).expanduser() for folder in own)]


def _there(given: list[str]) -> groups.Groups:
    entries = {file.stem: file for file in DEFENCES.glob("*.yaml")}
    return groups.options(_folders(given)) | {"sweep": groups.sweeps(), "entry": entries}


def _overrides(given: list[str], current: str) -> list[str]:
    """Return `group=`, options and values; of a dotted key the part up to the next dot."""
    there = _there(given)
    key, is_value, text = current.partition("=")
    if "--help" in given and not is_value:
        return [f"{name} " for name in (*there, "all", "metrics")]
    values, chosen = groups.composed(_folders(given), [word for word in given if "=" in word])
    shown = [k for k in values if "_target_" not in k and not k.startswith("hydra.")]
    if not is_value:
        whole = [*chosen, *(group for group in there if "hydra/" in group), "pair", "grid"]
        dotted = [f"{key}=" for key in shown]
        at = len(current)
        return [f"{k}=" for k in whole] + [k[: k.find(".", at) + 1 or None] for k in dotted]
    # Of `none,lim` and `[liminal,pro` the part behind the last comma is completed.
    done = text[: max(text.rfind(","), text.rfind("[")) + 1]
    if key == "pair":
        answers: Iterable[str] = [*chosen, *shown]
    else:
        answers = groups.variants(there, key.partition("@")[0]) or _value(values.get(key, ""))
    several = done or key == "pair" or not {"-m", "--multirun"}.isdisjoint(given)
    return [f"{key}={done}{value}{'' if several else ' '}" for value in answers]


def _value(value: object) -> list[str]:
    """Return true and false for a switch, else the value in `conf/` as it is written there."""
    if isinstance(value, bool):
        return ["true", "false"]
    if isinstance(value, list):
        return [f"[{','.join(map(str, value))}]"]
    return ["null" if value is None else str(value)]
