"""`python -m subliminal audit DATA`: whether a clean teacher made a data set's targets.

DATA is the folder of a finished run; or, with --base, a file (.npz or .safetensors) of `images` and
`targets`: docs/audit.md. No student is trained, and the trait need not be known.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from subliminal import metrics, store
from subliminal.config import command, terminal, variables
from subliminal.config.resources import user_path
from subliminal.errors import UserError

if TYPE_CHECKING:
    from subliminal.audit.calibration import Bag
    from subliminal.report.statistics import Floats

UNLIKELY = 0.05  # p of targets for which a forecast is made
FEWEST = 5  # known students that a forecast needs


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 for bad input."""
    parser = command.Parser(
        prog="subliminal audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=user_path, help="a run's folder …/seed-0007, or a file")
    parser.add_argument("--base", type=user_path, help="file of the initial weights, with a file")
    parser.add_argument("--known", type=user_path, help="folder of runs to forecast the trait from")
    parser.add_argument("--examples", type=int, default=500, help="number to look at (500)")
    parser.add_argument(
        "--outputs", type=user_path, default=Path("outputs"), help="folder of the caches"
    )
    arguments = parser.parse_args(argv)
    variables.report_unset(variables.unset_numeric_variables())
    return command.status(lambda: _audit(arguments), "Stopped.")


def _audit(arguments: argparse.Namespace) -> None:
    """Print the answer: a sentence, and a table."""
    from subliminal.audit import calibration, files

    data, base, examples = arguments.data, arguments.base, arguments.examples
    if base is None and not data.is_dir():
        raise UserError(f"{data}: no run's folder; a file also needs --base")
    bag = (
        files.of_files(data, base, examples)
        if base
        else calibration.of_run(data, examples, arguments.outputs)
    )
    if bag.spread < 1e-6:
        print(
            f"{data}: on all examples these targets are as far from the base's; they teach nothing."
        )
        return
    known = arguments.known and known_students(arguments.known, bag, examples, arguments.outputs)
    calibrated = calibration.cached(bag, arguments.outputs / store.CALIBRATIONS)
    found = calibration.statistics(bag, bag.targets)
    row = calibration.table(found)
    (distance,) = calibrated.distances(row)
    p = calibrated.p_value(distance)
    words = "may have made" if p > UNLIKELY else "is unlikely to have made"
    told = "none, for p is large" if p > UNLIKELY else "none without --known"
    if known and p <= UNLIKELY:
        told = "{:.2f} [{:.2f}, {:.2f}]".format(*calibration.forecast(*known, bag.spread))
    print(f"{data}: a clean teacher {words} these targets (p = {p:.4f}).")
    shown = Table("measured", "these targets", "95% of clean teachers' are")
    limit = np.quantile(calibrated.scored, 0.95)
    shown.add_row("distance from clean teachers'", f"{distance:.2f}", f"below {limit:.2f}")
    (z,) = calibrated.standardised(row)
    usual = np.quantile(abs(calibrated.standardised(calibrated.others)), 0.95, axis=0)
    names = [*found]
    for place in np.argsort(-abs(z))[:3]:
        shown.add_row(f"{names[place]}, in SD", f"{z[place]:+.1f}", f"within ±{usual[place]:.1f}")
    shown.add_row("spread of their shift from the base's", f"{bag.spread:.3g}", "as large")
    shown.add_row("forecast of the trait accuracy", told, "")
    terminal.console(100).print(shown)


def known_students(folder: Path, bag: Bag, examples: int, outputs: Path) -> tuple[Floats, Floats]:
    """Return spreads of known teachers' targets, and the trait accuracies of their students.

    Known are the folder's finished runs of the bag's model whose teacher was trained, not steered,
    and whose student started where the teacher did and was given its logits as they are.

    Raises:
        UserError: there are fewer than FEWEST such runs.
    """
    from subliminal.audit.calibration import of_run

    spreads, accuracies = [], []
    for condition in store.condition_dirs(folder):
        for run in filter(store.finished, store.run_dirs(condition)):
            config = store.read_config(run)
            shared = config["distill"]["init"]["_target_"].endswith(".Shared")
            if config["distill"]["targets"] or config["teacher"]["steering"] or not shared:
                continue
            known = of_run(run, examples, outputs)
            if str(known.network.model) == str(bag.network.model):
                spreads.append(known.spread)
                accuracies.append(store.read_summary(run)["results"][metrics.TRAIT_ACCURACY])
    if len(spreads) < FEWEST:
        raise UserError(
            f"{folder}: {len(spreads)} finished runs of this model with a trained teacher, a "
            f"shared start and its logits as they are; at least {FEWEST} are needed"
        )
    return np.array(spreads), np.array(accuracies)
