"""Entries of the leaderboard, one file each in `defences/`: a defence and its author's claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config.resources import DEFENCES, user_path
from subliminal.config.sources import read_yaml
from subliminal.errors import UserError, one_line, there_is
from subliminal.judge.battery import Defence
from subliminal.judge.dial import MOST
from subliminal.judge.trial import TRACKS


@dataclass(kw_only=True, eq=False)
class _File:
    """An entry's file."""

    defence: list[str] = MISSING  # overrides of `subliminal.train`
    source: str = MISSING  # paper, with its number, or `ours`
    claim: str = MISSING  # one sentence
    track: str = MISSING  # blind | aware
    trials: int = MISSING  # the most settings of its own keys that were tried to tune it
    tried: list[str] = field(default_factory=list)  # the overrides of each such setting
    landmark: bool = False  # judged in all settings, whatever the first ones show
    dial: dict[str, list[Any]] = field(default_factory=dict)  # one key, and its numbers


@dataclass(kw_only=True, eq=False)
class Entry(_File):
    """A checked entry."""

    name: str  # of the file

    @property
    def overrides(self) -> tuple[str, ...]:
        """The defence."""
        return tuple(self.defence)


def read(path: Path) -> Entry:
    """Read and check one entry.

    Raises:
        UserError: an unknown or missing key, a value of the wrong kind, no source or claim, more
            trials than it declares.
    """
    where = path.name
    try:
        given = read_yaml(path)
        merged: Any = OmegaConf.merge(OmegaConf.structured(_File), given)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {one_line(error)}") from error
    for key in (item.name for item in fields(_File)):
        if OmegaConf.is_missing(merged, key):
            raise UserError(f"{where}: {key} is missing")
        if key in ("source", "claim") and not str(merged[key]).strip():
            raise UserError(f"{where}: {key} is empty")
    if merged.track not in TRACKS:
        raise UserError(f"{where}: track={merged.track}: one of {', '.join(TRACKS)}")
    if merged.trials < 0:
        raise UserError(f"{where}: trials={merged.trials}: a number ≥ 0 is needed")
    if len(merged.tried) > merged.trials:
        raise UserError(f"{where}: tried {len(merged.tried)}, but declares trials={merged.trials}")
    dials = [*merged.dial.values()]
    numbers = all(type(value) in (int, float) for values in dials for value in values)
    if len(dials) > 1 or any(not 2 <= len(set(of)) <= MOST for of in dials) or not numbers:
        raise UserError(f"{where}: dial: one key, with two to {MOST} values of it")
    defence = Defence.of(list(merged.defence))
    if defence.own:
        raise UserError(f"{where}: {defence.own[0]} says how the judge works: no part of a defence")
    values: Any = OmegaConf.to_container(merged)
    return Entry(name=path.stem, **values)


def files() -> dict[str, Path]:
    """Return the entries' files by name; those of the working folder override ours."""
    folders = (DEFENCES.resolve(), Path("defences").resolve())
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def all_entries() -> list[Entry]:
    """Read all entries, landmarks first: others share their undefended runs."""
    found = [read(file) for file in files().values()]
    return sorted(found, key=lambda entry: (not entry.landmark, entry.name))


def choose(words: Sequence[str], named: str | None) -> tuple[Entry | None, list[str]]:
    """Return the entry of a command line, if any, and the overrides of both.

    Raises:
        UserError: an unknown entry, several entries, or an entry with overrides of a defence.
    """
    chosen = [word.partition("=")[2] for word in words if word.startswith("entry=")]
    chosen += [named] if named else []
    others = [word for word in words if not word.startswith("entry=")]
    if not chosen:
        return None, others
    if len(chosen) > 1:
        raise UserError(f"entry={','.join(chosen)}: one at a time; --all judges all")
    (name,), known = chosen, files()
    if not name.endswith(".yaml") and name not in known:
        raise UserError(f"entry={name}: no such entry; {there_is(name, sorted(known))}")
    entry = read(user_path(name) if name.endswith(".yaml") else known[name])
    if beside := Defence.of(others).overrides:
        raise UserError(f"entry={name} is a defence as it is; {beside[0]} would be another")
    return entry, [*entry.overrides, *others]


def check_track(entry: Entry, real: str) -> None:
    """Raise a UserError if an entry's track is not the one that its defence needs."""
    if real != entry.track:
        reads = "reads the trait" if real == "aware" else "reads nothing of the trait"
        raise UserError(
            f"{entry.name}.yaml: track={entry.track}: the defence {reads}, so its track is {real}"
        )
