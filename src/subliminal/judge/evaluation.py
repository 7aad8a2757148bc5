"""Evaluation of a defence: which settings are tried, on which seeds, and what is known of each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from subliminal import metrics
from subliminal.errors import RunsFailed, UserError
from subliminal.judge import battery, flags
from subliminal.judge.attack import Search, counts, search
from subliminal.judge.battery import Defence, Setting
from subliminal.judge.lines import FEWEST, SECRET, Facts
from subliminal.judge.measure import SHIFT, VERSION
from subliminal.judge.recovery import LOGITS
from subliminal.judge.rooms import Rooms, strangers
from subliminal.judge.scorecard import Scorecard, judged
from subliminal.judge.trial import tried
from subliminal.sweep.console import Console

SCREEN = 3  # first settings; a defence that fails in all of them is tried no further
SCREENED = 10  # seeds of these
QUICK = 3  # seeds of a first look
PLAIN = "reference"  # the setting that an attack is compared with, and of the secret seeds
HELPS = 0.5  # a leak from which on a defence does not go on
# Words after which no more is tried: the verdict, the worst word, cannot say that it works.
SETTLED = ("little effect", "no effect", "hides", "worsens", "invalid")


def judge(
    defence: Defence,
    settings: Sequence[Setting],
    rooms: Rooms,
    console: Console,
    *,
    full: bool = False,
    quick: bool = False,
    track: str,
) -> Scorecard:
    """Train the missing runs, setting by setting, and return the scorecard.

    Args:
        defence: the defence.
        settings: the battery, composed for the defence, in order, on all seeds.
        rooms: where its code runs, and where it does not.
        console: shows lines to the user.
        full: try all settings, whatever the first ones show.
        quick: a first look, which decides nothing.
        track: blind or aware.

    Raises:
        UserError: fewer seeds than the statistics need; an undefended run failed.
        KeyboardInterrupt: the user stopped the battery; the same command resumes it.
    """
    check_seeds(settings, quick=quick)
    evaluation = Evaluation(defence, rooms, console, track)
    few = QUICK if quick else SCREENED
    evaluation.add_few(settings[:SCREEN], few, whole=full or quick)
    whole = {*battery.names(defence.config_dir, search=False)} <= {one.name for one in settings}
    if not (full or quick) and promising(evaluation.card()):
        evaluation.add_few(settings[SCREEN:], few)
    complete = full or (not quick and promising(evaluation.card()))
    if complete:
        for setting in settings:
            evaluation.add(setting)
        if PLAIN in {setting.name for setting in settings}:
            evaluation.add_secret()
    unnamed = [n for n in battery.names(defence.config_dir) if n not in {s.name for s in settings}]
    card = evaluation.card()
    tried = {line.setting for line in card.lines}
    left_out = [setting.name for setting in settings if setting.name not in tried]
    return replace(
        card,
        left_out=(*left_out, *unnamed),
        screened=not (complete or quick),
        tentative="a first look" if quick else "" if whole else "not the whole battery",
    )


def narrowed(setting: Setting, seeds: int) -> Setting:
    """Return the setting with its first seeds alone."""
    return setting.on(setting.undefended.seeds[:seeds])


def check_seeds(settings: Sequence[Setting], *, quick: bool) -> None:
    """Raise a UserError if the seeds are fewer than the statistics need."""
    seeds = len(settings[0].undefended.seeds)
    if seeds < FEWEST and not quick:
        raise UserError(f"seed={seeds} seeds: the judge needs at least {FEWEST}; see --quick")


def secret_seeds(defence: Defence) -> tuple[int, ...]:
    """Return six seeds that follow from what a defence is, and from the judge's version.

    Half of them are small, as a user's are. None is known before the entry is.
    """
    texts = [*sorted(defence.overrides)]
    if defence.config_dir is not None:
        texts += [file.read_text("utf-8") for file in sorted(defence.config_dir.rglob("*.yaml"))]
    for name in strangers(defence):
        found = find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            files = origin.parent.rglob("*.py") if origin.stem == "__init__" else [origin]
            texts += [file.read_text("utf-8") for file in sorted(files)]
    digest = hashlib.sha256("\0".join([str(VERSION), *texts]).encode()).digest()
    numbers = [int.from_bytes(digest[i : i + 4], "big") for i in range(0, 24, 4)]
    small = {100 + number % 8_900 for number in numbers[:3]}
    return tuple(sorted(small | {10_000 + number % 2**30 for number in numbers[3:]}))


@dataclass
class Evaluation:
    """The settings tried so far, and what was measured in them."""

    defence: Defence
    rooms: Rooms
    console: Console
    track: str
    search: Search | None = None
    _facts: dict[str, Facts] = field(default_factory=dict)
    _tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    def card(self) -> Scorecard:
        """Return the scorecard so far."""
        tables = [table.with_columns(setting=pl.lit(name)) for name, table in self._tables.items()]
        rows = pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
        overrides = self.defence.overrides
        return judged(overrides, self.track, [*self._facts.values()], rows, search=self.search)

    def add(self, setting: Setting) -> None:
        """Try a setting; one tried before, on fewer seeds, is replaced."""
        threat = setting.threat
        way = SHIFT if threat.trait == metrics.TRAIT_SHIFT else LOGITS
        facts = Facts(setting.name, threat.asks, way, threat.control, setting.unfit)
        self._facts[setting.name] = facts
        if not setting.unfit:
            self._facts[setting.name] = self._tried(setting, facts)

    def _tried(self, setting: Setting, facts: Facts) -> Facts:
        """Try a setting that the defence fits, and keep what is measured; return its facts."""
        threat, found = setting.threat, ""
        try:
            setting.undefended.experiment.fetch()
        except UserError as error:
            self.console.say(f"threat={setting.name} is not shown: {error}")
            return replace(facts, note="its data cannot be had")
        if threat.menu:
            self.search = search(self.defence, setting, self.rooms, self.console, self.track)
            found = f"{self.search.summary()}; "
            if self.search.worst is None:
                return replace(facts, note=self.search.summary())
            more, seeds = self.search.worst.overrides, setting.undefended.seeds
            setting = self._composed(setting.name, more).on(seeds)
        try:
            table, jobs = tried(setting, self.rooms, track=self.track)
        except RunsFailed as error:
            if not threat.attack:
                raise
            return replace(facts, note=f"the attack's own runs failed: {error}")
        if threat.attack:
            if PLAIN not in self._tables:
                self.add(self._composed(PLAIN).on(setting.undefended.seeds))
            counted, why = counts(self._tables[PLAIN], table)
            facts = replace(facts, note=found + why)
            if not counted:
                return facts
        self._tables[setting.name] = table
        job = jobs.get("defended")
        raised = () if job is None else flags.of_runs(job, setting.undefended)
        return replace(facts, conditions=setting.hashes, flags=raised)

    def add_secret(self) -> None:
        """Try the reference setting on the seeds that are the defence's own."""
        setting = self._composed(PLAIN).on(secret_seeds(self.defence))
        if not setting.unfit:
            self.console.say("On six seeds that follow from the defence's own content:")
            self._tables[SECRET], _ = tried(setting.bare, self.rooms, track=self.track)

    def _composed(self, name: str, more: Sequence[str] = ()) -> Setting:
        return self.rooms.entrant(battery.setting, self.defence, name, more)

    def add_few(self, settings: Sequence[Setting], few: int, *, whole: bool = False) -> None:
        """Try settings on few seeds: all of them, or until the verdict is settled."""
        for setting in settings:
            self.add(narrowed(setting, few))
            if not whole and settled(self.card()):
                return


def settled(card: Scorecard) -> bool:
    """Tell whether a setting's word is so bad that others cannot make the verdict better."""
    return any(one.word in SETTLED for one in card.lines)


def promising(card: Scorecard) -> bool:
    """Tell whether a defence goes on: no word is settled, and a setting's leak is halved."""
    leaks = [one.leak.value for one in card.shown if one.leak is not None]
    return not settled(card) and not (leaks and min(leaks) > HELPS)
