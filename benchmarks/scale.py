"""Time and memory of sweeps against their size: `make bench-scale`.

Each curve changes one number of the reference setting and leaves the rest; runs are cut to few
images, so that a point takes seconds (`subset.Subset`). Slopes are those of least squares: seconds
and memory per unit, or, where a size doubles, the exponent. Results go to outputs/bench/scale.json
and cells.json.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from measure import Record, Timed, cores, keep, train
from rich.console import Console
from rich.table import Table

from subliminal.config import terminal

WIDTHS = (64, 256, 1024, 4096, 8192)
UNITS = {"seconds": "s", "peak GB": "GB"}
_SMALL = {"s": "ms", "GB": "MB"}
CELLS = (50, 20)  # conditions, seeds: 1,000 short cells


def subset(images: int, batch: int = 1024) -> tuple[str, ...]:
    """Return the overrides of a run on few images, in both phases, and of one epoch first.

    Few test digits too: at width 8192 the twelve evaluations on all would be most of the run.
    """
    return (
        "data._target_=subset.Subset",
        f"+data.train_size={images}",
        f"+data.test_size={min(images, 1000)}",
        f"distill.inputs.size={images}",
        "teacher.epochs=1",
        f"teacher.batch_size={batch}",
        f"distill.batch_size={batch}",
    )


# Cells with next to no arithmetic in them.
SHORT = (*subset(64, 32), "distill.epochs=1", "model.hidden=[8]")


@dataclass(frozen=True)
class Curve:
    """A number that is changed, and the overrides that change it."""

    name: str
    points: tuple[float, ...]
    override: str  # with a place for the number
    fixed: tuple[str, ...]
    power: bool = False  # the slope is an exponent
    of_student: bool = False  # seconds are those of the student's training alone


CURVES = (
    Curve("seeds", (1, 10, 50, 100, 200), "seed=0-{last}", SHORT),
    Curve(
        "width",
        WIDTHS,
        "model.hidden=[{value},{value}]",
        subset(2048),
        power=True,
        of_student=True,
    ),
    Curve(
        "auxiliary logits m",
        (2, 4, 16, 64, 256, 1024),
        "model.aux={value}",
        subset(16384),
        of_student=True,
    ),
    Curve(
        "student epochs", (1, 5, 10, 20), "distill.epochs={value}", subset(16384), of_student=True
    ),
    Curve(
        "probes per step",
        (1.0, 0.5, 0.1, 0.02),
        "probe.alignment.every={every}",
        subset(60_000),
        of_student=True,
    ),
)


def override(curve: Curve, point: float) -> str:
    """Return the override that sets the curve's number."""
    return curve.override.format(
        value=int(point), last=int(point) - 1, every=round(1 / point) if point else None
    )


def trace(curve: Curve) -> Record:
    """Run each point; return seconds, peak memory, and their slopes."""
    seconds, peaks = [], []
    for point in curve.points:
        timed = train(override(curve, point), *curve.fixed, "tracker=none")
        seconds.append(student_seconds(timed) if curve.of_student else timed.seconds)
        peaks.append(timed.peak)
    return {
        "points": list(curve.points),
        "seconds": seconds,
        "peak GB": peaks,
        "exponent": curve.power,
        "slopes": {
            "seconds": slope(curve.points, seconds, power=curve.power),
            "peak GB": slope(curve.points, peaks, power=curve.power),
        },
    }


def slope_text(curve: Record, row: str) -> str:
    """Return the slope of a curve's `seconds` or `peak GB` with its unit."""
    if curve["exponent"]:
        return f"exponent {curve['slopes'][row]:.2f} at the end"
    value, unit = curve["slopes"][row], UNITS[row]
    return f"{value:.2f} {unit} each" if value > 1 else f"{1000 * value:.3g} {_SMALL[unit]} each"


def student_seconds(timed: Timed) -> float:
    """Return the seconds of the student's training, the mean over seeds."""
    return float(np.mean([summary["seconds"]["student"] for summary in timed.summaries]))


def slope(x: tuple[float, ...], y: list[float], *, power: bool) -> float:
    """Return dy/dx by least squares, or d log y / d log x between the last two points."""
    if power:
        return float(np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2]))
    return float(np.polyfit(x, y, 1)[0])


def cells_of(conditions: int, seeds: int) -> tuple[str, ...]:
    """Return the overrides of a sweep of short cells."""
    rates = ",".join(f"{1e-4 * (k + 1):.4f}" for k in range(conditions))
    return (f"seed=0-{seeds - 1}", f"optim.lr={rates}", *SHORT)


def many_cells(conditions: int, seeds: int, tracker: str) -> Record:
    """Run many short cells in one sweep; return seconds a cell, in all, at its start and end."""
    timed = train(*cells_of(conditions, seeds), f"tracker={tracker}")
    done = np.sort(timed.finished)
    part = max(1, len(done) // 5)
    return {
        "cells": len(done),
        "s per cell": timed.seconds / len(done),
        "s per cell, first fifth": float((done[part] - done[0]) / part),
        "s per cell, last fifth": float((done[-1] - done[-1 - part]) / part),
        "peak GB": timed.peak,
    }


def show_curve(name: str, curve: Record) -> None:
    table = Table(name, *(f"{point:g}" for point in curve["points"]), "slope")
    for row in UNITS:
        values = (f"{value:.2f}" for value in curve[row])
        table.add_row(row, *values, slope_text(curve, row))
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/scale.py", description=__doc__)
    names = [curve.name for curve in CURVES]
    parser.add_argument("--only", choices=[*names, "cells"], action="append", help="by default all")
    only = parser.parse_args().only or [*names, "cells"]
    curves = {}
    for curve in CURVES:
        if curve.name in only:
            curves[curve.name] = trace(curve)
            show_curve(curve.name, curves[curve.name])
    if curves:
        keep("scale", {"cores": cores(), "curves": curves}, {})
    if "cells" in only:
        trackers = {"no tracker": "none", "W&B offline": "wandb"}
        cells = {name: many_cells(*CELLS, tracker) for name, tracker in trackers.items()}
        for name, figures in cells.items():
            print(f"{name}: " + ", ".join(f"{what} {value:.3g}" for what, value in figures.items()))
        per_cell = {f"s per cell, {name}": c["s per cell"] for name, c in cells.items()}
        for line in keep("cells", {"cores": cores(), "cells": cells}, per_cell):
            print(line)


if __name__ == "__main__":
    terminal.settle()
    main()
