"""The report's figures as matplotlib axes; a notebook shows them, `matplotlib.pyplot.show()` too.

They are drawn by the report's settings, whatever `matplotlibrc` says. What the axes hold can be
changed, and `axes.figure.savefig("name.pdf")` writes a file.
"""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes

from subliminal.api.results import Runs
from subliminal.errors import UserError
from subliminal.report import figures
from subliminal.report.figures import Drawing, style


def bars(runs: Runs) -> Axes:
    """Draw the test accuracy of teacher, students and chance, a bar each."""
    return _drawn(runs, [figures.first_look(runs.sweep)], "bars")[0]


def accuracy(runs: Runs) -> Axes:
    """Draw each condition's final trait accuracy, seeds as dots, between chance and teacher."""
    return _of_report(runs, "accuracy")[0]


def differences(runs: Runs) -> Axes:
    """Draw each seed's difference of trait accuracy to the baseline, with mean and interval."""
    return _of_report(runs, "differences")[0]


def frontier(runs: Runs) -> Axes:
    """Draw trait accuracy against distillation loss, with intervals of both."""
    return _of_report(runs, "frontier")[0]


def training(runs: Runs) -> tuple[Axes, ...]:
    """Draw alignment (left) and trait accuracy (right) over epochs."""
    return _of_report(runs, "training")


def ledger(runs: Runs) -> tuple[Axes, ...]:
    """Draw the applied updates' alignment (left) and the ledger's running sums (right)."""
    return _of_report(runs, "ledger")


def layers(runs: Runs) -> tuple[Axes, ...]:
    """Draw the alignment within each parameter tensor by epoch, a panel for each condition."""
    return _of_report(runs, "layers")


def dose(runs: Runs, key: str) -> Axes:
    """Draw final trait accuracy over a swept number, such as `mitigation.liminal.peak`."""
    return _of_report(runs, figures.dose_name(runs.sweep, key))[0]


def _of_report(runs: Runs, name: str) -> tuple[Axes, ...]:
    return _drawn(runs, figures.drawings(runs.sweep), name)


def _drawn(runs: Runs, drawings: Iterable[Drawing], name: str) -> tuple[Axes, ...]:
    there = {drawing.name: drawing for drawing in drawings}
    if name not in there:
        raise UserError(f"plot: these runs have no {name}; they have {', '.join(there)}")
    import matplotlib.pyplot as plt

    with style.style(make=plt.figure):
        return tuple(there[name].draw(runs.sweep).axes)
