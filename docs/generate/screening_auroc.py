"""`python docs/generate/screening_auroc.py FOLDER`: how well a screening predicts transfer.

AUROC over conditions of measurements at the first update (`probe=screening`), beside that of
alignment in the first epoch (`probe=alignment`): see `sweeps/screening.yaml`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from subliminal import metrics, store
from subliminal.config import command, terminal
from subliminal.errors import UserError
from subliminal.judge.lines import GATE

SCORES = (metrics.SCREENING, metrics.SCREENING_SHARE, metrics.ALIGNMENT)


@dataclass(frozen=True)
class Screen:
    """How well a score separates conditions with transfer of the trait from others."""

    score: str  # its metric
    auroc: float
    p: float  # two-sided, of the Mann-Whitney test
    transferring: int  # conditions
    others: int

    def format(self) -> str:
        """Return it as a line."""
        of = f"{self.transferring} conditions with transfer, {self.others} without"
        return f"{self.score}: AUROC {self.auroc:.3f}, p = {self.p:.2g} ({of})"


def auroc(scores: Sequence[float], transfers: Sequence[bool]) -> tuple[float, float]:
    """Return the area under the receiver operating characteristic, and its p against 0.5.

    P(score of one with transfer > score of one without) + half of ties: U / (n₁ n₂).

    Raises:
        UserError: all are of one kind.
    """
    from scipy.stats import mannwhitneyu

    values, which = np.asarray(scores, dtype=np.float64), np.asarray(transfers, dtype=bool)
    if which.all() or not which.any():
        kind = "all" if len(which) and which.all() else "none"
        raise UserError(f"a screening needs conditions of both kinds; {kind} transfer")
    tested = mannwhitneyu(values[which], values[~which], alternative="two-sided")
    return float(tested.statistic / (which.sum() * (~which).sum())), float(tested.pvalue)


def screens(folder: Path, keep: Callable[[Path], bool] = lambda run: True) -> list[Screen]:
    """Return the screenings of an experiment's conditions, means over finished seeds.

    A condition transfers if trait accuracy rises by 0.10 (the judge's gate) or more.

    Args:
        folder: of the experiment, below outputs.
        keep: tells by a run's folder whether it counts.

    Raises:
        UserError: no condition with a score; conditions of one kind alone.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    rows: dict[str, list[dict[str, float]]] = {}
    for run in filter(keep, store.finished_runs(folder)):
        rows.setdefault(run.parent.name, []).append(_measured(run))
    table = pl.DataFrame(
        [
            {name: float(np.mean([row[name] for row in of])) for name in ("rise", *SCORES)}
            for of in rows.values()
        ],
        schema=dict.fromkeys(("rise", *SCORES), pl.Float64),
    )
    found = []
    for score in SCORES:
        known = table.filter(pl.col(score).is_not_nan())
        if not known.height:
            continue
        transfers = (known["rise"] >= GATE).to_list()
        area, p = auroc(known[score].to_list(), transfers)
        found.append(Screen(score, area, p, sum(transfers), len(transfers) - sum(transfers)))
    if not found:
        raise UserError(f"{folder}: no finished run with probe=[alignment,screening]")
    return found


def _measured(run: Path) -> dict[str, float]:
    """Return the rise of trait accuracy, and the scores in the first epoch; NaN where missing."""
    epochs = pl.read_parquet(run / "epochs.parquet", glob=False)
    student = epochs.filter(pl.col("phase") == "student").sort("epoch")
    first = student.filter(pl.col("epoch") == 1).row(0, named=True)
    accuracy = student[metrics.TRAIT_ACCURACY]
    found = {name: first.get(name) for name in SCORES}
    scores = {name: np.nan if value is None else float(value) for name, value in found.items()}
    return {"rise": float(accuracy[-1] - accuracy[0]), **scores}


def main(argv: list[str] | None = None) -> int:
    """Print a line for each score; return the exit status: 0, or 2 for bad input."""
    terminal.settle()
    words = sys.argv[1:] if argv is None else argv
    return command.status(lambda: _screen(words), "Stopped.")


def _screen(words: list[str]) -> int:
    if len(words) != 1:
        raise UserError("one folder is needed, e.g. outputs/screening")
    for screen in screens(Path(words[0])):
        print(screen.format())
    return 0


if __name__ == "__main__":
    sys.exit(main())
