"""Config files by group and option, and the keys they compose to, read without Hydra.

Hydra takes 0.5 s to compose a config. The help and the completion of a shell need the names alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from subliminal.config.resources import CONF, SWEEPS

NOT_HYDRA = "wandb"  # folder of sweeps in W&B's format, for its agents; Hydra cannot compose them
HEAD = re.compile(r"(?:# @package (\S+).*\n)?((?:#.*\n)*)")

Groups = dict[str, dict[str, Path]]
Plain = dict[str, Any]


def options(folders: Sequence[Path] = (CONF,)) -> Groups:
    """Return the files of each group's options, by name; names that start with _ are private."""
    found: Groups = {}
    for folder in folders:
        for file in sorted(folder.rglob("*/*.yaml")):
            if not file.stem.startswith("_"):
                group = file.parent.relative_to(folder).as_posix()
                found.setdefault(group, {})[file.stem] = file
    return found


def sweeps() -> dict[str, Path]:
    """Return the files of the group `sweep`, by name."""
    files = {f.relative_to(SWEEPS).with_suffix("").as_posix(): f for f in SWEEPS.rglob("*.yaml")}
    hidden = re.compile(rf"{NOT_HYDRA}/|(.*/)?_")  # W&B's sweeps, and private files
    return {name: files[name] for name in sorted(files) if not hidden.match(name)}


def variants(there: Groups, group: str) -> dict[str, Path]:
    """Return the options of a group, and those in folders below it, such as `matched/adam`."""
    below = {
        f"{other.removeprefix(group + '/')}/{name}": file
        for other, files in there.items()
        if other.startswith(f"{group}/")
        for name, file in files.items()
    }
    return there.get(group, {}) | below


def comment(text: str) -> str:
    """Return the comment at the head of a config file, on one line."""
    head = HEAD.match(text)
    return " ".join(re.findall(r"^# ?(.*)", head[2] if head else "", re.MULTILINE))


def composed(folders: Sequence[Path], words: Iterable[str] = ()) -> tuple[Plain, set[str]]:
    """Return the dotted keys of the config that a command line composes, and its groups.

    Defaults lists mean what they mean to Hydra, in the forms that `conf/` uses: groups, relative or
    absolute, `@package`, `override`, `_self_` and null.

    Args:
        folders: of configs; a later one's files replace those of an earlier one.
        words: overrides, of which those of groups count.
    """
    choices: dict[str, Any] = {}  # option, or options, of `group` or `group@package`
    for word in words:
        group, _, names = word.partition("=")
        choices[group] = re.split("[,+]", names.strip("[]"))
    found: set[str] = set()

    def read(path: str, package: str) -> Iterator[tuple[str, Any]]:
        """Yield keys and values of a file and of all files in its defaults list, in order."""
        there = [f for d in folders if (f := d / f"{path}.yaml").is_file()]
        text = there[-1].read_text(encoding="utf-8") if there else ""
        head = HEAD.match(text)
        if head and head[1]:
            package = head[1].replace("_global_", "")
        content = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        defaults = content.pop("defaults", [])
        own = [*flatten(content, package).items()] if there else []
        below = []  # a function for each file or group
        for item in defaults:
            ((key, names),) = item.items() if isinstance(item, dict) else [(item, ...)]
            name, _, at = key.removeprefix("override ").partition("@")
            whole = name[1:] if name[0] == "/" else f"{path.rpartition('/')[0]}/{name}".strip("/")
            at = ".".join(filter(None, (package, at or name.strip("/").replace("/", "."))))
            place = whole if at == whole.replace("/", ".") else f"{whole}@{at}"
            if key.startswith("override "):
                choices.setdefault(place, names)
            else:
                below.append((name, names, place, whole, at))
        if "_self_" not in defaults:
            yield from own
        for name, names, place, whole, at in below:
            if name == "_self_":
                yield from own
            elif names is ...:  # another file in this one's place
                yield from read(whole, package)
            else:
                found.add(place)
                chosen = choices.get(place, names)
                for one in chosen if isinstance(chosen, list) else [chosen]:
                    yield from read(f"{whole}/{one}", at)

    values: Plain = {}
    before = None
    while choices != before:  # a file late in the list may override an earlier choice
        before, values = dict(choices), dict(read("config", ""))
    return values, found


def flatten(tree: Any, prefix: str = "") -> Plain:
    """Return the leaves of nested mappings by dotted key; lists and empty mappings are leaves."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    flat: Plain = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
