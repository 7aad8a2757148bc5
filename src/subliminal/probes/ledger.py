"""The first-order ledger: the part of trait acquisition that ⟨g_T, Δθ⟩ accounts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from subliminal import metrics
from subliminal.geometry import dot
from subliminal.probes import Probe

if TYPE_CHECKING:
    from subliminal.loop import Step, Training


@dataclass(kw_only=True)
class Ledger(Probe):
    """Per step: predicted ⟨g_T, Δθ⟩ and actual L(θ + Δθ) − L(θ), and their running sums.

    L is the trait loss on the step's labelled batch, g_T its gradient at θ. The difference of the
    two is what first order does not explain. Source: the Taylor expansion behind the theorem of
    Cloud et al. 2025 (arXiv 2507.14805), followed over a run.

    Attributes:
        layers: log the prediction of each parameter tensor too; they sum to the whole.
    """

    layers: bool

    def on_train_start(self, training: Training) -> None:
        """Open the ledger."""
        self._predicted = torch.zeros(len(training.seeds), device=training.theta.device)
        self._actual = torch.zeros_like(self._predicted)

    def on_step(self, step: Step) -> None:
        """Take the trait loss and gradient while θ is the one before the update."""
        _ = step.trait

    def on_update(self, step: Step) -> None:
        """Log the step's entry and the sums."""
        training = step.training
        before, trait_gradient = step.trait
        with torch.no_grad():
            x = training.trait.images(step.trait_rows)
            logits = training.network.forward(training.params, x)
            after = training.trait.loss(logits, step.trait_rows)
        predicted, actual = dot(trait_gradient, step.update), after - before
        self._predicted = self._predicted + predicted
        self._actual = self._actual + actual
        step.log(metrics.LEDGER_PREDICTED, predicted)
        step.log(metrics.LEDGER_ACTUAL, actual)
        step.log(metrics.LEDGER_PREDICTED_TOTAL, self._predicted)
        step.log(metrics.LEDGER_ACTUAL_TOTAL, self._actual)
        if self.layers:
            for name, span in training.network.layout.spans.items():
                part = dot(trait_gradient[:, span], step.update[:, span])
                step.log(f"{metrics.LEDGER_PREDICTED}/{name}", part)
