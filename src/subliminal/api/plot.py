"""The report's figures as matplotlib axes, shown by a notebook or `matplotlib.pyplot.show()`.

They have the report's settings, whatever `matplotlibrc` says. The axes can be changed further, and
`axes.figure.savefig("name.pdf")` writes a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matplotlib.axes import Axes

from subliminal.api.results import Runs, checked
from subliminal.errors import UserError
from subliminal.report import figures
from subliminal.report.conditions import Sweep
from subliminal.report.figures import Drawing, style


def bars(runs: Runs) -> Axes:
    """Draw the test accuracy of teacher, students and chance, a bar each."""
    return _drawn(runs, "bars", lambda sweep: [figures.first_look(sweep)])[0]


def accuracy(runs: Runs) -> Axes:
    """Draw each condition's final trait accuracy, seeds as dots, between chance and teacher."""
    return _drawn(runs, "accuracy")[0]


def differences(runs: Runs) -> Axes:
    """Draw each seed's difference of trait accuracy to the baseline, with mean and interval."""
    return _drawn(runs, "differences")[0]


def frontier(runs: Runs) -> Axes:
    """Draw trait accuracy against distillation loss, with intervals of both."""
    return _drawn(runs, "frontier")[0]


def training(runs: Runs) -> tuple[Axes, ...]:
    """Draw alignment (left) and trait accuracy (right) over epochs."""
    return _drawn(runs, "training")


def ledger(runs: Runs) -> tuple[Axes, ...]:
    """Draw the applied updates' alignment (left) and the ledger's running sums (right)."""
    return _drawn(runs, "ledger")


def layers(runs: Runs) -> tuple[Axes, ...]:
    """Draw the alignment within each parameter tensor by epoch, a panel for each condition."""
    return _drawn(runs, "layers")


def dose(runs: Runs, key: str) -> Axes:
    """Draw final trait accuracy over a swept number, such as `mitigation.liminal.peak`."""
    return _drawn(runs, figures.dose_name(checked(runs, "plot").sweep, key))[0]


def heatmap(runs: Runs) -> Axes:
    """Draw mean final trait accuracy over the two numbers that a grid varies."""
    return _drawn(runs, "heatmap")[0]


def _drawn(
    runs: Runs, name: str, drawings: Callable[[Sweep], Iterable[Drawing]] = figures.drawings
) -> tuple[Axes, ...]:
    """Draw one of the report's figures on pyplot's own figure."""
    found = {drawing.name: drawing for drawing in drawings(checked(runs, "plot").sweep)}
    if name not in found:
        raise UserError(f"plot: these runs have no {name}; they have {', '.join(found)}")
    import matplotlib.pyplot as plt

    with style.style(make=plt.figure):
        return tuple(found[name].draw(runs.sweep).axes)
