"""How far two runs of the same seeds are apart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from subliminal import metrics

ROUNDED = 1e-3  # a relative 1e-4 then allows for 1e-7
COLUMNS = (metrics.DISTILL_LOSS, metrics.TRAIT_LOSS, metrics.ALIGNMENT)


def largest_distances(
    ours: Sequence[Path], theirs: Sequence[Path], steps: slice
) -> dict[str, float]:
    """Return the largest distance of each metric over the rows `steps` of all seeds.

    Of the alignment it is absolute, of a loss relative to the loss and ROUNDED: a KL of nearly
    equal logits is a sum of terms that cancel, each rounded to 1e-7 in float32 whatever is left of
    them. A metric that is not measured is left out.
    """
    found: dict[str, float] = {}
    for one, other in zip(ours, theirs, strict=True):
        tables = [pl.read_parquet(run / "steps.parquet", glob=False)[steps] for run in (one, other)]
        for name in COLUMNS:
            if name not in tables[0].columns:
                continue
            a, b = (table[name].drop_nulls().to_numpy() for table in tables)
            distance = np.abs(a - b)
            if name != metrics.ALIGNMENT:
                distance /= np.abs(b) + ROUNDED
            found[name] = max(found.get(name, 0.0), float(distance.max(initial=0.0)))
    return found
