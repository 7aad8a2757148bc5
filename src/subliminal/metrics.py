"""Metric names, and the buffer that keeps values on the device until an epoch ends.

Readers of results take the names from here, so that torch is imported only where values are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

TEACHER_LOSS = "teacher/loss"
TEACHER_TEST_LOSS = "teacher/test_loss"
TEACHER_ACCURACY = "teacher/accuracy"
DISTILL_LOSS = "distill/loss"
TRAIN_LOSS = "train/loss"  # distillation loss and penalties: what is minimised
TRAIT_LOSS = "trait/loss"  # on the step's labelled training batch
TRAIT_TEST_LOSS = "trait/test_loss"
TRAIT_ACCURACY = "trait/accuracy"
TRAIT_MARGIN = "trait/margin"  # label's class logit less the largest other, mean
ALIGNMENT = "alignment/cosine"
ALIGNMENT_DOT = "alignment/dot"
ALIGNMENT_APPLIED = "alignment/cosine_applied"
ALIGNMENT_NULL = "alignment/null"  # with the gradient of shuffled labels
ALIGNMENT_FULL = "alignment/full_batch"
UPDATE_ALIGNMENT = "update/alignment"
LEDGER_PREDICTED = "ledger/predicted"
LEDGER_ACTUAL = "ledger/actual"
LEDGER_DISTILL = "ledger/predicted_distill"  # the part that the distillation loss caused
LEDGER_PENALTY = "ledger/predicted_penalty"  # … that penalties (a leash) caused
LEDGER_INTERVENTION = "ledger/predicted_intervention"  # … that projections caused
DISPLACEMENT = "displacement/cosine"
DISPLACEMENT_RATIO = "displacement/ratio"
WEIGHT_COSINE = "weights/cosine"  # of two states of a layer: initial and final, …
WEIGHT_DISTANCE = "weights/distance"
WEIGHT_RELATIVE = "weights/relative_distance"
CKA = "cka"  # similarity of two states' representations of the test digits, by layer
PERTURBED_ACCURACY = "perturbed/accuracy"  # of the trained student with noise on its weights
SHIFT_NORM = "shift/norm"  # of the student's mean activations; of a layer: shift/norm/layer1
SHIFT_COSINE = "shift/cosine"  # with the teacher's
SHIFT_SHARE = "shift/share"  # of the teacher's
TRAIT_SHIFT = "trait/shift"  # share of the teacher's shift of the class logits
TRAIT_FAVOURED = "trait/favoured"  # rise of the share of digits put into the favoured class
PATCH_ADDED = "patch/added"  # trait/shift of θ₀ with the student's shift: is it sufficient?
PATCH_REMOVED = "patch/removed"  # trait/shift of the student without it: is it necessary?
DISTILL_NORM = "alignment/distill_norm"
TRAIT_NORM = "alignment/trait_norm"
FRONTIER_SCORE = "frontier/score"  # ln(trait accuracy) + ln(distillation loss), of a job's means

# All of the names above.
NAMES: Final = frozenset(
    value for name, value in vars().items() if name.isupper() and isinstance(value, str)
)


def total(name: str) -> str:
    """Return the name of the running sum of a metric."""
    return f"{name}_total"


def final(name: str) -> str:
    """Return the name of a metric's value at the end of a run, in a tracker's run table."""
    return f"final/{name}"


def best(name: str) -> str:
    """Return the name of a metric's largest value in a run, in a tracker's run table."""
    return f"best/{name}"


def in_epoch(name: str, epoch: int) -> str:
    """Return the name of a metric's mean over an epoch, in a tracker's run table."""
    return f"epoch_{epoch}/{name}"


@dataclass
class Row:
    """Values of the network after `step` updates."""

    step: int
    values: dict[str, np.ndarray] = field(default_factory=dict)  # name to (seeds,) float64


@dataclass(frozen=True)
class Table:
    """All rows of a stack as arrays."""

    steps: np.ndarray  # (rows,), int64
    names: list[str]  # in the order of their first appearance
    there: np.ndarray  # (rows, names), bool: whether a row has the metric
    values: np.ndarray  # (seeds, rows, names), float64


class Metrics:
    """Values per step and seed. Logging never waits for the device; `sync` does, once an epoch."""

    def __init__(self) -> None:
        self.of_network: set[str] = set()  # metrics of the network, not of a step's batch
        self._rows: list[Row] = []
        self._pending: list[tuple[int, str, Tensor]] = []

    def log(self, step: int, name: str, values: Tensor, *, of_network: bool = False) -> None:
        """Keep `values` (seeds,) of metric `name` for `step`.

        Over an epoch, a step's metrics are averaged; the network's are taken at its end.
        """
        if of_network:
            self.of_network.add(name)
        self._pending.append((step, name, values.detach()))

    def sync(self) -> list[Row]:
        """Move what was logged to the host; return all rows so far.

        Steps ascend, and no returned row ever changes: what is logged for the last step after a
        sync becomes a second row of that step.
        """
        if self._pending:
            import torch

            from subliminal.geometry import widest

            wide = widest(self._pending[0][2].device)
            host = torch.stack([values.to(wide) for *_, values in self._pending]).cpu().numpy()
            fresh: dict[int, Row] = {}
            for (step, name, _), values in zip(self._pending, host, strict=True):
                row = fresh.setdefault(step, Row(step))
                row.values[name] = values.astype("float64")
            self._rows += sorted(fresh.values(), key=lambda row: row.step)
            self._pending.clear()
        return self._rows

    def table(self, seeds: int) -> Table:
        """Return all rows so far, of a stack of `seeds` seeds, as arrays."""
        import numpy as np

        rows = self.sync()
        columns = {n: k for k, n in enumerate(dict.fromkeys(n for row in rows for n in row.values))}
        there = np.zeros((len(rows), len(columns)), dtype=np.bool_)
        values = np.zeros((seeds, len(rows), len(columns)))
        for k, row in enumerate(rows):
            for name, value in row.values.items():
                there[k, columns[name]] = True
                values[:, k, columns[name]] = value
        steps = np.array([row.step for row in rows], dtype=np.int64)
        return Table(steps, list(columns), there, values)

    def restore(self, table: Table, *, of_network: Sequence[str]) -> None:
        """Take the rows of `table` for what was logged so far."""
        self.of_network = set(of_network)
        self._rows = [
            Row(int(step), {table.names[n]: table.values[:, k, n] for n in there.nonzero()[0]})
            for k, (step, there) in enumerate(zip(table.steps, table.there, strict=True))
        ]
