"""What a trial shows, as a line of the scorecard."""

import numpy as np
from numpy.typing import NDArray

from subliminal import metrics, store
from subliminal.config.seeds import parse
from subliminal.judge import flags
from subliminal.judge.battery import Setting
from subliminal.judge.leak import Interval, Word, leak, word
from subliminal.judge.measure import series
from subliminal.judge.power import detectable
from subliminal.judge.scorecard import Line
from subliminal.judge.trial import Trial, filled
from subliminal.training.experiment import build_experiment


def judged(trial: Trial, p: float, note: str = "") -> Line:
    """Return the line of a setting that was tried.

    Args:
        trial: its students.
        p: that the defence changes nothing, adjusted for the number of settings.
        note: what else is to be said of the setting.
    """
    evidence, shift = trial.evidence(), trial.null is None
    said, found = word(evidence, p, shift=shift)
    undefended, defended = trial.undefended, trial.defended
    assert defended is not None, "the defence fits"
    above = float(np.mean(evidence.undefended - evidence.null))
    least = detectable(evidence.defended - evidence.undefended)
    cost = trial.price()
    stopped, readout = trial.stopped(cost), _readout_leak(trial)
    void = said == "void"
    few = "undefended students exceed those that learnt nothing by less than the gate"
    return Line(
        setting=trial.setting.name,
        asks=trial.setting.asks,
        word=said,
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
        detects=None if void or least is None else least / above,
        missing=defended.missing,
        p=p,
        flags=_flags(trial, said, stopped, readout),
    )


def control(trial: Trial) -> Line:
    """Return the line of a setting where nothing leaks to begin with."""
    null = trial.null
    assert null is not None, "a control's trait is an accuracy"
    leaks = float(np.mean(trial.undefended.trait - null.trait)) >= trial.gate
    return Line(
        setting=trial.setting.name,
        asks=trial.setting.asks,
        word="undecided" if leaks else "no effect",
        reason="the trait leaks where it should not" if leaks else "nothing leaks, as it should",
        undefended=_mean(trial.undefended.trait),
        null=_mean(null.trait),
    )


def void(setting: Setting, reason: str) -> Line:
    """Return the line of a setting that says nothing of the defence."""
    return Line(setting.name, setting.asks, "void", reason)


def _flags(
    trial: Trial, said: Word, stopped: float | None, readout: Interval | None
) -> tuple[str, ...]:
    defended, cfg = trial.defended, trial.setting.defended
    assert defended is not None, "the defence fits"
    assert cfg is not None, "it was trained"
    early = stopped is not None and (_mean(defended.trait) or 0.0) >= stopped
    shift = trial.null is None
    classes = build_experiment(cfg).network.classes
    ways = series(defended.runs, metrics.ACTIVITY_TEACHER)
    found = [
        flags.loss_did_not_fall(series(defended.runs, metrics.DISTILL_LOSS)),
        flags.gradient_lost(
            series(defended.runs, metrics.ACTIVITY_GRADIENT),
            series(defended.runs, metrics.ACTIVITY_MOVED),
        ),
        flags.inactive(series(defended.runs, metrics.ACTIVITY_CHANGED)) if cfg.mitigation else "",
        flags.teacher_changed(ways, _same_teacher(trial)),
        "" if shift else flags.below_chance(defended.trait, classes),
        flags.depends_on_seeds(trial.evidence(), said),
        flags.hidden(said, readout),
        "no better than stopping early" if early else "",
    ]
    return tuple(flag for flag in found if flag)


def _same_teacher(trial: Trial) -> bool:
    defended, undefended = trial.setting.defended, trial.setting.undefended
    assert defended is not None, "the defence fits"
    device = build_experiment(undefended).device.type
    seed = parse(undefended.seed.spec)[0]
    names = {store.teacher_hash(cfg, device, seed) for cfg in (undefended, defended)}
    return len(names) == 1


def _readout_leak(trial: Trial) -> Interval | None:
    if trial.null is None or trial.defended is None:
        return None
    undefended, null = trial.undefended.readout, trial.null.readout
    defended = filled(trial.defended.readout, undefended)
    if float(np.mean(undefended - null)) <= 0:
        return None
    return leak(defended, undefended, null)


def _ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float | None:
    there = ~(np.isnan(ours) | np.isnan(theirs))
    return float(ours[there].mean() / theirs[there].mean()) if there.any() else None


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(np.nanmean(values)) if not np.isnan(values).all() else None
