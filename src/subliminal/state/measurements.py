"""A training's measurements, which stay on the device until an epoch ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from subliminal.tensors.geometry import widest


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


class Measurements:
    """Values by step and seed. Logging never waits for the device; `sync` does, once an epoch."""

    def __init__(self) -> None:
        self.of_network: set[str] = set()  # metrics of the network, not of a step's batch
        self._rows: dict[int, Row] = {}  # by step, ascending
        self._pending: list[tuple[int, str, Tensor]] = []

    def log(self, step: int, name: str, values: Tensor, *, of_network: bool = False) -> None:
        """Keep `values` (seeds,) of metric `name` for `step`.

        Over an epoch, a step's metrics are averaged; the network's are taken at its end.
        """
        if of_network:
            self.of_network.add(name)
        self._pending.append((step, name, values.detach()))

    def sync(self) -> list[Row]:
        """Move the logged values to the host; return all rows so far, a row per step, ascending."""
        if self._pending:
            wide = widest(self._pending[0][2].device)
            host = torch.stack([values.to(wide) for *_, values in self._pending]).cpu().numpy()
            for (step, name, _), values in zip(self._pending, host, strict=True):
                self._rows.setdefault(step, Row(step)).values[name] = values.astype("float64")
            self._rows = dict(sorted(self._rows.items()))
            self._pending.clear()
        return list(self._rows.values())

    def table(self, seeds: int) -> Table:
        """Return all rows so far, of a stack of `seeds` seeds, as arrays."""
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
        """Replace all rows by those of `table`."""
        self.of_network = set(of_network)
        self._rows = {}
        for k, step in enumerate(table.steps.tolist()):
            values = {table.names[n]: table.values[:, k, n] for n in table.there[k].nonzero()[0]}
            self._rows.setdefault(step, Row(step)).values.update(values)
