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

HEAD = re.compile(r"(?:# @package (\S+).*\n)?((?:#.*\n)*)")

Groups = dict[str, dict[str, Path]]


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
    hidden = re.compile(r"wandb/|(.*/)?_")  # W&B's sweeps, and private files
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


class Keys:
    """The keys of the config that a command line composes, with their values.

    It follows the defaults lists as Hydra does, for the forms that `conf/` uses: groups, relative
    or absolute, `@package`, `override`, `_self_` and null.

    Args:
        folders: of configs; a later one's files replace those of an earlier one.
        words: overrides of a command line; a word that cannot be read is skipped.
    """

    def __init__(self, folders: Sequence[Path], words: Iterable[str] = ()) -> None:
        self._folders = folders
        self._choices: dict[str, Any] = {}  # option, or options, of `group` or `group@package`
        self.groups: set[str] = set()  # those of the defaults lists
        for word in words:
            group, _, names = word.partition("=")
            self._choices[group] = re.split("[,+]", names.strip("[]"))
        self.values: dict[str, Any] = {}
        chosen: dict[str, Any] = {"": None}
        while chosen != self._choices:  # a file late in the list may override an earlier choice
            chosen = dict(self._choices)
            self.values = dict(self._composed("config", "", ""))

    def _composed(self, name: str, group: str, package: str) -> Iterator[tuple[str, Any]]:
        """Yield keys and values of a file and of all files in its defaults list, in order."""
        places = [folder / group / f"{name}.yaml" for folder in reversed(self._folders)]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            return
        text = file.read_text(encoding="utf-8")
        head = HEAD.match(text)
        if head and head[1]:
            package = {"_global_": ""}.get(head[1], head[1])
        content = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        defaults = [d if isinstance(d, dict) else {d: ...} for d in content.pop("defaults", [])]
        items = [item for default in defaults for item in default.items()]
        for key, names in items:
            if key.startswith("override "):
                self._choices.setdefault(self._place(key[9:], group, package)[0], names)
        own = list(_leaves(content, package))
        if "_self_" not in dict(items):
            yield from own
        for key, names in items:
            if key == "_self_":
                yield from own
            elif names is ...:  # a file beside this one, or that of another group in its place
                path = key.partition("@")[0]
                base = path[1:] if path.startswith("/") else f"{group}/{path}"
                yield from self._composed(base.rpartition("/")[2], base.rpartition("/")[0], package)
            elif not key.startswith("override "):
                place, below, at = self._place(key, group, package)
                self.groups.add(place)
                names = self._choices.get(place, names)
                for each in names if isinstance(names, list) else [names]:
                    path = f"{below}/{each}"
                    yield from self._composed(*path.rpartition("/")[::-2], at)

    @staticmethod
    def _place(key: str, group: str, package: str) -> tuple[str, str, str]:
        """Return the command line's key for an item of a defaults list, its group and package."""
        name, _, at = key.partition("@")
        whole = name[1:] if name.startswith("/") else f"{group}/{name}".strip("/")
        at = at or name.strip("/").replace("/", ".")
        at = at if not package else f"{package}.{at}"
        return (whole if at == whole.replace("/", ".") else f"{whole}@{at}"), whole, at


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}".strip("."))
    elif key:
        yield key, value
