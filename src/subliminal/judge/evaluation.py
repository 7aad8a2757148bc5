"""Evaluation of a defence: train and measure a battery's students, and write the scorecard."""

from collections.abc import Sequence

import numpy as np

from subliminal import metrics
from subliminal.errors import RunsFailed, UserError
from subliminal.judge import battery, flags
from subliminal.judge.attack import Search, counts, search
from subliminal.judge.battery import Defence, Setting
from subliminal.judge.leak import FEWEST, Array, Interval, Verdict, leak, setting_verdict
from subliminal.judge.scorecard import Line, Scorecard
from subliminal.judge.trial import Trial, run_setting, series
from subliminal.report.statistics import holm
from subliminal.sweep.console import Console

SCREEN = 3  # first settings; a defence that fails in all of them is tried no further
QUICK = 3  # seeds of --quick
PLAIN = "reference"  # the setting that an attack is compared with


def judge(
    defence: Defence,
    settings: Sequence[Setting],
    console: Console,
    *,
    full: bool = False,
    quick: bool = False,
    track: str,
) -> Scorecard:
    """Train the missing runs, setting by setting, and return the scorecard.

    Args:
        defence: the defence.
        settings: the battery, composed for the defence, in order.
        console: shows progress and lines to the user.
        full: try all settings, whatever the first ones show.
        quick: a first look, which decides nothing.
        track: from `track_of`.

    Raises:
        UserError: fewer seeds than the statistics need; an undefended run failed.
        KeyboardInterrupt: the user stopped the battery; the same command resumes it.
    """
    seeds = check_seeds(settings, quick=quick)
    evaluation = Evaluation(defence, console)
    tried = []
    for setting in settings:
        if len(evaluation.trials) >= SCREEN and not full and evaluation.shows_nothing():
            break
        tried.append(setting.name)
        evaluation.add(setting)
    whole = {*battery.names(defence.config_dir, search=False)} <= {one.name for one in settings}
    return Scorecard(
        defence=defence.overrides,
        track=track,
        seeds=seeds,
        lines=tuple(evaluation.lines()),
        controls=tuple(_control(one) for one in evaluation.trials if one.setting.threat.control),
        left_out=tuple(name for name in battery.names(defence.config_dir) if name not in tried),
        tentative="a first look" if quick else "" if whole else "not the whole battery",
        search=evaluation.search,
        conditions={one.name: one.hashes for one in settings if one.name in tried},
    )


def check_seeds(settings: Sequence[Setting], *, quick: bool) -> tuple[int, ...]:
    """Return the seeds; raise a UserError if they are fewer than the statistics need."""
    seeds = settings[0].undefended.seeds
    if len(seeds) < FEWEST and not quick:
        raise UserError(f"seed={len(seeds)} seeds: the judge needs at least {FEWEST}; see --quick")
    return seeds


class Evaluation:
    """The trials of one defence so far, and the scorecard's lines."""

    def __init__(self, defence: Defence, console: Console) -> None:
        self.trials: list[Trial] = []
        self.search: Search | None = None
        self._defence, self._console = defence, console
        self._voids: list[Line] = []
        self._notes: dict[str, str] = {}  # why an attack counts

    def add(self, setting: Setting) -> None:
        """Try a setting; one that cannot test the defence becomes a void line."""
        trial, note = self._try(setting)
        if trial is None:
            self._voids.append(Line(setting.name, setting.threat.asks, "void", note))
        else:
            self.trials.append(trial)
            self._notes[setting.name] = note

    def _try(self, setting: Setting) -> tuple[Trial | None, str]:
        """Return a setting's trial and a note on it; None and the reason if it is void."""
        if setting.unfit:
            return None, setting.unfit
        try:
            setting.undefended.experiment.fetch()
        except UserError as error:
            self._console.say(f"threat={setting.name} is void: {error}")
            return None, "its data cannot be had"
        found = ""
        if setting.threat.menu:
            self.search = search(self._defence, setting, self._console)
            found = f"{self.search.summary()}; "
            if self.search.worst is None:
                return None, self.search.summary()
            setting = battery.setting(self._defence, setting.name, self.search.worst.overrides)
        try:
            trial = run_setting(setting, self._console)
        except RunsFailed as error:
            if not setting.threat.attack:
                raise
            return None, f"the attack's own runs failed: {error}"
        if not setting.threat.attack:
            return trial, ""
        plain = next((one for one in self.trials if one.setting.name == PLAIN), None)
        plain = plain or run_setting(battery.setting(self._defence, PLAIN), self._console)
        counted, why = counts(plain, trial)
        return trial if counted else None, found + why

    def shows_nothing(self) -> bool:
        """Tell whether the defence neither blocks nor halves the leak in any setting so far."""
        shown = [trial.evidence() for trial in self._opened()]
        leaks = [leak(one.defended, one.undefended, one.null).value for one in shown]
        return bool(leaks) and min(leaks) > 0.5

    def _opened(self) -> list[Trial]:
        """Return the trials in which there is a leak to block."""
        judged = [trial for trial in self.trials if not trial.setting.threat.control]
        return [trial for trial in judged if trial.evidence().open(by=trial.gate)]

    def lines(self) -> list[Line]:
        """Return the lines of all settings but controls."""
        opened = self._opened()
        adjusted = holm([trial.evidence().p for trial in opened])
        p_of = {t.setting.name: p for t, p in zip(opened, adjusted, strict=True)}
        judged = [trial for trial in self.trials if not trial.setting.threat.control]
        found = [
            _line(t, p_of.get(t.setting.name, 1.0), self._notes[t.setting.name]) for t in judged
        ]
        return [*found, *self._voids]


def _line(trial: Trial, p: float, note: str) -> Line:
    """Return a setting's line; `p` is adjusted for the number of settings."""
    evidence = trial.evidence()
    word, found = setting_verdict(evidence, p, shift=trial.null is None)
    undefended, defended = trial.undefended, trial.defended
    assert defended is not None, "the defence fits"
    cost = trial.price()
    stopped, readout = trial.stopped(cost), trial.readout_leak()
    void = word == "void"
    few = "undefended students exceed those that learnt nothing by less than the gate"
    return Line(
        setting=trial.setting.name,
        asks=trial.setting.threat.asks,
        word=word,
        reason=few if void else note,
        leak=None if void else found,
        readout_leak=readout,
        price=cost,
        seconds=_ratio(defended.seconds, undefended.seconds),
        undefended=_mean(undefended.trait),
        defended=_mean(defended.trait),
        null=None if trial.null is None else _mean(trial.null.trait),
        stopped=stopped,
        skill_kept=_ratio(defended.skill, undefended.skill),
        detects=None if void else evidence.detects(),
        missing=tuple(np.array(defended.seeds)[np.isnan(defended.trait)].tolist()),
        p=p,
        flags=_flags(trial, word, stopped, readout),
    )


def _control(trial: Trial) -> Line:
    """Return the line of a setting where nothing leaks to begin with."""
    assert trial.null is not None, "a control's trait is an accuracy"
    undefended, null, setting = trial.undefended.trait, trial.null.trait, trial.setting
    leaks = float(np.mean(undefended - null)) >= trial.gate
    word: Verdict = "undecided" if leaks else "no effect"
    reason = "the trait leaks where it should not" if leaks else "nothing leaks, as it should"
    means = _mean(undefended), _mean(null)
    return Line(setting.name, setting.threat.asks, word, reason, undefended=means[0], null=means[1])


def _flags(
    trial: Trial, word: Verdict, stopped: float | None, readout: Interval | None
) -> tuple[str, ...]:
    """Return the reasons to doubt a verdict."""
    job, undefended = trial.setting.defended, trial.setting.undefended
    assert job is not None, "the defence fits"
    assert trial.defended is not None, "it was trained"
    trait, runs = trial.defended.trait, trial.defended.runs
    one = undefended.seeds[0]
    same_teacher = job.teacher_hash(one) == undefended.teacher_hash(one)
    gradient, moved = (series(runs, m) for m in (metrics.ACTIVITY_GRADIENT, metrics.ACTIVITY_MOVED))
    found = [flags.loss_did_not_fall(series(runs, metrics.DISTILL_LOSS))]
    found.append(flags.gradient_lost(gradient, moved))
    if job.experiment.mitigations:
        found.append(flags.inactive(series(runs, metrics.ACTIVITY_CHANGED)))
    found.append(flags.teacher_changed(series(runs, metrics.ACTIVITY_TEACHER), same_teacher))
    if trial.null is not None:
        found.append(flags.below_chance(trait, job.experiment.network.classes))
    found += [flags.depends_on_seeds(trial.evidence(), word), flags.hidden(word, readout)]
    if stopped is not None and (_mean(trait) or 0.0) >= stopped:
        found.append("no better than stopping early")
    return tuple(filter(None, found))


def _ratio(ours: Array, theirs: Array) -> float | None:
    there = ~(np.isnan(ours) | np.isnan(theirs))
    return float(ours[there].mean() / theirs[there].mean()) if there.any() else None


def _mean(values: Array) -> float | None:
    return float(np.nanmean(values)) if not np.isnan(values).all() else None
