"""The judge at work: trains what a battery lacks, measures it, and weighs the evidence."""

from collections.abc import Sequence
from dataclasses import replace

from subliminal.config.seeds import parse
from subliminal.errors import RunsFailed, UserError
from subliminal.judge import lines
from subliminal.judge.attack import Search, counts, search
from subliminal.judge.battery import Defence, Setting, names, setting
from subliminal.judge.leak import FEWEST, leak
from subliminal.judge.scorecard import Line, Scorecard
from subliminal.judge.track import asks, check
from subliminal.judge.trial import Trial, tried
from subliminal.statistics import holm
from subliminal.sweep.console import Console
from subliminal.training.experiment import build_experiment

SCREEN = 3  # settings that tell most for their time; who does nothing there is not tried further
QUICK = 3  # seeds of a first look
PLAIN = "reference"  # what an attack is compared with


def judge(
    defence: Defence,
    settings: Sequence[Setting],
    console: Console,
    *,
    full: bool = False,
    quick: bool = False,
    track: str | None = None,
) -> Scorecard:
    """Train what is missing, setting by setting, and return the scorecard.

    Args:
        defence: what is judged.
        settings: the battery, in order.
        console: shows progress and lines to the user.
        full: try all settings, whatever the first ones show.
        quick: a first look, which decides nothing.
        track: of `track_of`; None: the one that the defence needs.

    Raises:
        UserError: fewer seeds than the statistics need; an undefended run failed.
        KeyboardInterrupt: the user stopped the battery; the same command resumes it.
    """
    seeds = check_seeds(settings, quick=quick)
    track = track or track_of(settings)
    court = _Court(defence, seeds, console)
    heard: list[Setting] = []
    for one in settings:
        if len(court.trials) >= SCREEN and not full and _does_nothing(court.trials):
            break
        heard.append(one)
        court.hear(one)
    whole = {*names(defence.config_dir, search=False)} <= {one.name for one in settings}
    because = "a first look" if quick else "" if whole else "not the whole battery"
    return Scorecard(
        defence=defence.overrides,
        track=track,
        seeds=seeds,
        lines=tuple(court.lines()),
        controls=tuple(lines.control(trial) for trial in court.trials if trial.setting.control),
        left_out=tuple(
            name for name in names(defence.config_dir) if name not in {one.name for one in heard}
        ),
        tentative=because,
        search=court.search,
    )


def check_seeds(settings: Sequence[Setting], *, quick: bool) -> tuple[int, ...]:
    """Return the seeds; raise a UserError when they are fewer than the statistics need."""
    seeds = parse(settings[0].undefended.seed.spec)
    if len(seeds) < FEWEST and not quick:
        raise UserError(f"seed={len(seeds)} seeds: the judge needs at least {FEWEST}; see --quick")
    return seeds


def track_of(settings: Sequence[Setting], asked_for: str | None = None) -> str:
    """Return the track in which the defence is judged; raise a UserError when it may not be."""
    fits = [one.defended for one in settings if one.defended is not None]
    return check(asked_for, asks(fits[0]) if fits else "")


class _Court:
    """The trials of one defence, as they are heard."""

    def __init__(self, defence: Defence, seeds: tuple[int, ...], console: Console) -> None:
        self.trials: list[Trial] = []
        self.search: Search | None = None
        self._defence, self._seeds, self._console = defence, seeds, console
        self._voids: list[Line] = []
        self._notes: dict[str, str] = {}  # of attacks: why they count

    def hear(self, one: Setting) -> None:
        """Try a setting, or say why it is void."""
        if one.unfit:
            self._voids.append(lines.void(one, one.unfit))
            return
        try:
            build_experiment(one.undefended).fetch()
        except UserError as error:
            self._console.say(f"threat={one.name} is void: {error}")
            self._voids.append(lines.void(one, "its data cannot be had"))
            return
        more: tuple[str, ...] = ()
        if one.menu:
            self.search = search(self._defence, one, self._console)
            if self.search.worst is None:
                self._voids.append(lines.void(one, self.search.told()))
                return
            more = self.search.worst.overrides
            one = replace(setting(self._defence, one.name, more), menu=one.menu)
        try:
            trial = self._tried(one, "".join(f",{word}" for word in more))
        except RunsFailed as error:
            if not one.attack:
                raise
            self._voids.append(lines.void(one, f"the attack's own runs failed: {error}"))
            return
        if one.attack:
            counted, why = counts(self._plain(), trial)
            if self.search is not None and one.menu:
                why = f"{self.search.told()}; {why}"
            if not counted:
                self._voids.append(lines.void(one, why))
                return
            self._notes[one.name] = why
        self.trials.append(trial)

    def lines(self) -> list[Line]:
        """Return the lines of all settings that are no controls."""
        judged = [trial for trial in self.trials if not trial.setting.control]
        opened = [trial for trial in judged if trial.evidence().open(by=trial.gate)]
        adjusted = holm([trial.evidence().p for trial in opened])
        p_of = {t.setting.name: p for t, p in zip(opened, adjusted, strict=True)}
        found = [
            lines.judged(t, p_of.get(t.setting.name, 1.0), self._notes.get(t.setting.name, ""))
            for t in judged
        ]
        return [*found, *self._voids]

    def _tried(self, one: Setting, more: str = "") -> Trial:
        return tried(self._defence, one, self._seeds, self._console, more)

    def _plain(self) -> Trial:
        """Return the trial of the plain teacher, which an attack is compared with."""
        for trial in self.trials:
            if trial.setting.name == PLAIN:
                return trial
        return self._tried(setting(self._defence, PLAIN))


def _does_nothing(trials: Sequence[Trial]) -> bool:
    """Tell whether a defence neither blocks nor halves the leak in what it was tried in so far."""
    leaks = []
    for trial in trials:
        if trial.setting.control:
            continue
        evidence = trial.evidence()
        if evidence.open(by=trial.gate):
            leaks.append(leak(evidence.defended, evidence.undefended, evidence.null).value)
    return bool(leaks) and min(leaks) > 0.5
