"""Which distillation examples carry the trait: each one's gradient along the trait gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from subliminal import store
from subliminal.config.hashing import NotNegative, OneOf, Unordered
from subliminal.errors import UserError
from subliminal.probes import Probe
from subliminal.state import Itemised, Step, Training
from subliminal.tensors import per_example, streams
from subliminal.tensors.geometry import norm, ratio, widest

TOTAL = "total"
# In the table's order; a checkpoint keeps none.
COLUMNS = ("taught", "product", "loss", "norm", "cosine", "gap", "distance", TOTAL)

Scores = dict[str, Tensor]  # by column: (seeds, n), or of a batch


@dataclass(kw_only=True)
class Attribution(Probe):
    """Scores of each distillation example i, with its own loss ℓ_i and gradient g_i = ∇θ ℓ_i.

    A row of `attribution.parquet` for each moment (`step`: updates done) and `example`: `taught`,
    whether it has a target; `product` ⟨g_i, g_T⟩, g_T the trait gradient on all training digits;
    `loss` ℓ_i of the student; and, the same at every moment, `gap`, ℓ_i of θ₀'s logits less ℓ_i of
    the teacher's; `distance` ‖z_T − z_0‖ of their auxiliary logits; and `total`, the sum of
    ⟨g_i, g_T⟩ over the steps whose batch has the example, g_T on the step's labelled batch: TracIn
    (Pruthi et al. 2020, arXiv 2002.08484, equation 1, without the learning rate).

    A moment costs the trait gradient on all digits, and a forward-mode derivative, about two
    forward passes, on all examples; `total` such a derivative of each step's batch, and that step's
    trait gradient where no other probe takes it. Dropout does not act. Images must be fixed.

    Attributes:
        moments: numbers of epochs or steps, ≥ 0, after which all examples are scored; those after
            the end are left out.
        unit: epochs | steps: of the moments.
        norms: also `norm` ‖g_i‖ and `cosine`; a gradient of each example, many passes.
        total: also the sum over the run.
        nulls: number K of random directions of the examples' own covariance, v_k = Σ_i w_i g_i with
            w_i ~ N(0, 1), for `null_0`, …, ⟨g_i, v_k⟩: what `product` would be by chance.
    """

    needs_fixed_images = True

    moments: Unordered[list[int]]
    unit: Annotated[str, OneOf(("epochs", "steps"))]
    norms: bool
    total: bool
    nulls: NotNegative[int] = 0

    def __post_init__(self) -> None:
        if not self.moments or min(self.moments) < 0:
            raise UserError(
                f"probe.attribution.moments={list(self.moments)}: numbers of {self.unit} ≥ 0 are "
                "needed"
            )

    def on_train_start(self, training: Training) -> None:
        self._scores: dict[int, Scores] = {}  # by updates done and column: (seeds, n)
        self._fixed: Scores = {}  # columns that are the same at every moment
        if self.total:
            theta, shape = training.theta, (len(training.seeds), training.task.size)
            self._fixed[TOTAL] = theta.new_zeros(shape, dtype=widest(theta.device))

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        self.on_train_start(training)
        for key, values in state.items():
            step, _, name = key.rpartition(".")
            (self._scores.setdefault(int(step), {}) if step else self._fixed)[name] = values

    def state(self) -> Mapping[str, Tensor]:
        """Return the scores so far, and the sum: (seeds, n) each."""
        scores = {f"{step}.{n}": v for step, of in self._scores.items() for n, v in of.items()}
        return scores | self._fixed

    def on_step(self, step: Step) -> None:
        training = step.training
        if self.total:
            products = self._products(training, step.trait[1], step.rows)
            total = self._fixed[TOTAL]
            total.scatter_(1, step.rows, total.gather(1, step.rows) + products)
        self._score(training)

    def on_epoch_end(self, training: Training) -> None:
        """After the last: score the student, if this is a moment; compare teacher and reference."""
        if training.index == training.steps:  # not `on_train_end`: a checkpoint keeps it
            self._score(training)
            self._fixed |= _in_batches(training, partial(_compared, training))

    def table(self, training: Training, column: int) -> tuple[str, Mapping[str, np.ndarray]] | None:
        """Return the scores of a seed, a row for each moment and example; None without a moment."""
        if not self._scores:
            return None
        size = training.task.size
        parts = []
        for step, scores in sorted(self._scores.items()):
            named = {"step": torch.full((size,), step), "example": torch.arange(size)}
            found = scores | self._fixed
            names = [n for n in COLUMNS if n in found] + sorted(found.keys() - {*COLUMNS})
            parts.append(named | {n: found[n][column].cpu() for n in names})
        columns = {n: torch.cat([part[n] for part in parts]).numpy() for n in parts[0]}
        return store.ATTRIBUTION, columns

    def _score(self, training: Training) -> None:
        unit = training.steps_per_epoch if self.unit == "epochs" else 1
        if training.index in {moment * unit for moment in self.moments}:
            along = {"product": training.full_gradient(training.trait)}
            along |= {f"null_{k}": _random_direction(training, k) for k in range(self.nulls)}
            found = _in_batches(training, partial(self._at, training, along))
            self._scores[training.index] = found

    def _at(self, training: Training, along: Scores, rows: Tensor) -> Scores:
        """Return the scores that move with θ, at `rows`: (seeds, batch) each."""
        x, losses = training.task.images(rows), partial(_task(training).losses, rows=rows)
        network, theta = training.network, training.theta
        found = {name: self._products(training, v, rows) for name, v in along.items()}
        found["loss"] = losses(network.logits(theta, x))
        if self.norms:
            norms = per_example.gradient_norms(network, theta, x, losses, training.trainable)
            cosine = ratio(found["product"], norms * norm(along["product"])[:, None])
            found |= {"norm": norms, "cosine": cosine}
        return found

    def _products(self, training: Training, g_t: Tensor, rows: Tensor) -> Tensor:
        losses = partial(_task(training).losses, rows=rows)
        x = training.task.images(rows)
        return per_example.products(training.network, training.theta, g_t, x, losses)


def _in_batches(training: Training, scored: Callable[[Tensor], Scores]) -> Scores:
    """Return the columns that `scored` returns of rows (seeds, batch), of all: (seeds, n)."""
    shape = len(training.seeds), training.task.size
    parts = [scored(rows) for rows in per_example.batches(*shape, training.theta.device)]
    return {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}


def _random_direction(training: Training, number: int) -> Tensor:
    """Return Σ_i w_i g_i, with normal weights w: (seeds, P)."""
    task = _task(training)
    weights = training.draws.normal(streams.NULLS, task.size, epoch=number)

    def gradient(rows: Tensor) -> Tensor:
        losses = task.losses(training.network.forward(training.params, task.images(rows)), rows)
        return training.gradient((weights.gather(1, rows) * losses).sum(dim=1))

    shape = len(training.seeds), task.size
    return sum(map(gradient, per_example.batches(*shape, weights.device)), torch.zeros(()))


def _task(training: Training) -> Itemised:
    assert isinstance(training.task, Itemised), "a student's is"
    return training.task


def _compared(training: Training, rows: Tensor) -> Scores:
    """Return the columns that are the same at every moment, at `rows`: (seeds, batch) each."""
    task, network = _task(training), training.teacher_network or training.network
    assert training.teacher is not None, "only students have a teacher"
    base, shape = task.reference_logits(rows), (*rows.shape, -1)  # a document has several answers
    teacher = network.logits(training.teacher, task.images(rows))
    return {
        "taught": ~task.targets_at(rows).isnan().reshape(shape).any(dim=-1),
        "gap": task.losses(base, rows) - task.losses(teacher, rows),
        "distance": per_example.distances(teacher, base, network.classes, rows),
    }
