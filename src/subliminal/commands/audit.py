"""`python -m subliminal audit RUN_DIR`: whether a clean teacher made a data set's targets.

The data set is that of a finished run: docs/audit.md. No student is trained, and the trait need not
be known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.table import Table

from subliminal import store
from subliminal.config import command, terminal, variables
from subliminal.config.resources import user_path

UNLIKELY = 0.05  # p of targets that a clean teacher is unlikely to have made


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 for bad input."""
    parser = command.Parser(
        prog="subliminal audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=user_path, help="a run's folder …/seed-0007")
    parser.add_argument("--examples", type=int, default=500, help="number to look at (500)")
    parser.add_argument(
        "--outputs", type=user_path, default=Path("outputs"), help="folder of the caches"
    )
    arguments = parser.parse_args(argv)
    variables.report_unset(variables.unset_numeric_variables())
    return command.status(lambda: _audit(arguments), "Stopped.")


def _audit(arguments: argparse.Namespace) -> None:
    """Print the answer: a sentence, and a table."""
    from subliminal.audit import calibration
    from subliminal.audit.calibration import of_run

    run = arguments.run
    bag = of_run(run, arguments.examples, arguments.outputs)
    if bag.spread < 1e-6:
        print(
            f"{run}: on all examples these targets are as far from the base's; they teach nothing."
        )
        return
    calibrated = calibration.cached(bag, arguments.outputs / store.CALIBRATIONS)
    found = calibration.statistics(bag, bag.targets)
    row = calibration.table(found)
    (distance,) = calibrated.distances(row)
    p = calibrated.p_value(distance)
    words = "may have made" if p > UNLIKELY else "is unlikely to have made"
    print(f"{run}: a clean teacher {words} these targets (p = {p:.4f}).")
    shown = Table("measured", "these targets", "95% of clean teachers' are")
    limit = np.quantile(calibrated.scored, 0.95)
    shown.add_row("distance from clean teachers'", f"{distance:.2f}", f"below {limit:.2f}")
    (z,) = calibrated.standardised(row)
    usual = np.quantile(abs(calibrated.standardised(calibrated.others)), 0.95, axis=0)
    names = [*found]
    for place in np.argsort(-abs(z))[:3]:
        shown.add_row(f"{names[place]}, in SD", f"{z[place]:+.1f}", f"within ±{usual[place]:.1f}")
    shown.add_row("spread of their shift from the base's", f"{bag.spread:.3g}", "as large")
    terminal.console(100).print(shown)
