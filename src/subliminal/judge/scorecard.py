"""Scorecard of a defence: its two words, those in each setting, and the numbers behind them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge.attack import Attempt, Search
from subliminal.judge.battery import Setting
from subliminal.judge.lines import (
    NOT_SHOWN,
    SECRET,
    Facts,
    Line,
    line,
    seed_dependence,
    utility_word,
    worst_word,
)
from subliminal.judge.measure import VERSION
from subliminal.store.provenance import environment
from subliminal.store.tables import read_table

FILE, SEEDS = "scorecard.json", "seeds.parquet"


@dataclass(frozen=True)
class Scorecard:
    """The judgement on one defence."""

    defence: tuple[str, ...]
    track: str  # blind | aware: whether it is given anything of the trait
    lines: tuple[Line, ...]
    facts: tuple[Facts, ...]
    table: pl.DataFrame  # what was measured of each student
    depends: str = ""  # why it depends on the seeds
    left_out: tuple[str, ...] = ()  # settings not tried
    screened: bool = False  # the first settings, on few seeds, decided that
    tentative: str = ""  # why the verdict decides nothing; empty: it is final
    search: Search | None = None

    @property
    def shown(self) -> list[Line]:
        """The settings that say something of the defence."""
        return [line for line in self.lines if line.shown]

    @property
    def leak(self) -> str:
        """The first word: the worst of the settings that are shown."""
        words = [line.word for line in self.shown]
        if self.depends:
            return "invalid"
        return worst_word(words) if words else NOT_SHOWN  # type: ignore[arg-type]

    @property
    def utility(self) -> str:
        """The second word, of the setting that keeps least; empty where none was measured."""
        return utility_word(self.kept) if self.kept is not None else ""

    @property
    def kept(self) -> float | None:
        """The least V of the settings that are shown."""
        return min((one.kept.value for one in self.shown if one.kept), default=None)

    @property
    def worst(self) -> Line | None:
        """The setting that has the first word, or the one of these in which most leaks."""
        leaking = [one for one in self.shown if one.leak is not None]
        these = [one for one in leaking if one.word == self.leak] or leaking
        return max(these, key=lambda one: one.leak.value if one.leak else 0.0, default=None)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the setting that has most, in order."""
        public = self.table.filter(pl.col("setting") != SECRET) if self.table.height else self.table
        return tuple(sorted(set(public["seed"].to_list()))) if public.height else ()

    def headline(self) -> str:
        """Return the verdict and its reasons in one sentence."""
        if not self.shown:
            return f"{NOT_SHOWN}: no setting that was tried can tell whether it leaks"
        words = f"{self.leak}, {self.utility}" if self.utility else self.leak
        parts = [f"{words} ({self.track})"]
        if self.depends:
            parts.append(self.depends)
        if (worst := self.worst) is not None and worst.leak is not None:
            parts.append(
                f"at worst, in {worst.setting}, {worst.leak.format()} of the trait is recovered "
                f"through the {worst.way}"
            )
        if self.kept is not None:
            parts.append(f"{self.kept:.2f} or more of the task's gain is kept")
        hidden = [one.setting for one in self.lines if not one.shown and not one.control]
        number = len(self.shown) + len(hidden)
        settings = f"{len(self.shown)} of {number} settings show it"
        parts.append(f"{settings}, not {', '.join(hidden)}" if hidden else settings)
        if self.screened:
            parts.append("these decided that the rest is not tried")
        if self.tentative:
            parts.append(f"{self.tentative}: it decides nothing")
        return "; ".join(parts)

    def to_json(self) -> str:
        """Return the scorecard with its words, headline and environment as JSON."""
        plain: dict[str, Any] = {
            "version": VERSION,
            "defence": self.defence,
            "track": self.track,
            "leak": self.leak,
            "utility": self.utility,
            "headline": self.headline(),
            "seeds": self.seeds,
            "lines": [asdict(one) for one in self.lines],
            "depends": self.depends,
            "left_out": self.left_out,
            "screened": self.screened,
            "tentative": self.tentative,
            "final": not self.tentative,
            "search": None if self.search is None else asdict(self.search),
            "conditions": {one.setting: one.conditions for one in self.facts if one.conditions},
            "facts": [asdict(one) for one in self.facts],
            "environment": environment(),
        }
        return json.dumps(plain, indent=2) + "\n"


def judged(
    defence: Sequence[str],
    track: str,
    facts: Sequence[Facts],
    table: pl.DataFrame,
    *,
    search: Search | None = None,
) -> Scorecard:
    """Return the scorecard that facts and measurements make: the same whenever it is made.

    Args:
        defence: its overrides.
        track: blind or aware.
        facts: of each setting of the battery.
        table: a row for each student, with its `setting` and `part`.
        search: the attacker's.
    """
    of = {key[0]: rows for key, rows in table.group_by("setting")} if table.height else {}
    lines = tuple(
        line(one, of[one.setting], track)
        if one.setting in of
        else Line(one.setting, one.asks, NOT_SHOWN, one.note)
        for one in facts
    )
    depends = seed_dependence(of["reference"], of[SECRET]) if SECRET in of else ""
    return Scorecard(tuple(defence), track, lines, tuple(facts), table, depends, search=search)


def write(card: Scorecard, folder: Path, page: str) -> Path:
    """Write the scorecard as JSON and Markdown, and what was measured; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store.write_atomically(folder / SEEDS, card.table.write_parquet)
    store.write_text(folder / FILE, card.to_json())
    store.write_text(folder / "scorecard.md", page)
    return folder


def read(path: Path) -> dict[str, Any] | None:
    """Return a scorecard's JSON; None where it is missing, damaged, or of another judge."""
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {"defence", "facts", "lines", "left_out", "final"} <= card.keys()
    except (OSError, ValueError, AttributeError):
        return None
    return card if known and card["version"] == VERSION else None


def is_todays(card: Mapping[str, Any], settings: Sequence[Setting]) -> bool:
    """Tell whether a card's conditions have today's hashes: files behind their names may change."""
    today = {setting.name: setting.hashes for setting in settings}
    return all(today.get(name) == of for name, of in card["conditions"].items())


def recomputed(path: Path) -> Scorecard:
    """Return the scorecard that a card's facts and its file of seeds make.

    Raises:
        UserError: a file is missing, or of another judge.
    """
    card = read(path)
    if card is None or not (path.parent / SEEDS).is_file():
        raise UserError(
            f"{path}: no scorecard of this judge (version {VERSION}) with its {SEEDS} beside it"
        )
    facts = [Facts(**one | {"flags": tuple(one["flags"])}) for one in card["facts"]]
    table = read_table(path.parent / SEEDS)
    made = judged(card["defence"], card["track"], facts, table, search=_search(card["search"]))
    kept = {key: card[key] for key in ("screened", "tentative")}
    return replace(made, left_out=tuple(card["left_out"]), **kept)


def _search(found: Mapping[str, Any] | None) -> Search | None:
    if found is None:
        return None
    attempts = [
        Attempt(**one | {"overrides": tuple(one["overrides"])}) for one in found["attempts"]
    ]
    worst = None if found["worst"] is None else found["worst"]["name"]
    return Search(tuple(attempts), next((one for one in attempts if one.name == worst), None))
