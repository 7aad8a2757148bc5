"""The first-order ledger: the part of trait acquisition that ⟨g_T, Δθ⟩ accounts for."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.state import Step, Training
from subliminal.tensors.geometry import dot


@dataclass(kw_only=True)
class Ledger(Probe):
    """Per step: predicted ⟨g_T, Δθ⟩ and actual L(θ + Δθ) − L(θ), and their running sums.

    L is the trait loss on the step's labelled batch, g_T its gradient at θ. The difference of the
    two is what first order does not explain. Source: the Taylor expansion behind the theorem of
    Cloud et al. 2025 (arXiv 2507.14805), followed over a run.

    Under a mitigation the prediction is split by cause. The optimizer's Δθ is a factor for each
    coordinate times n, a running mean of gradients (`subliminal.optim.Optim.numerator`), and n is
    linear in them: n = n_distill + n_penalty + n_removed, where g = ∇ distillation loss +
    ∇ penalties − what a projection removes. Hence the exact shares

        distill = ⟨g_T, Δθ ⊙ n_distill / n⟩,  penalty = ⟨g_T, Δθ ⊙ n_penalty / n⟩,

    and `intervention` is the rest of the prediction: what projections and other interventions on
    gradient and update did.

    Attributes:
        layers: log the prediction of each parameter tensor too; they sum to the whole.
    """

    layers: bool

    def on_train_start(self, training: Training) -> None:
        self._sums: dict[str, Tensor] = {}  # metric to its running sum (seeds,)
        self._numerators: dict[str, Tensor] = {}  # cause to its part of n, (seeds, P)
        if training.mitigations and training.optim.numerator is not None:
            for cause in ("distill", "penalty", "removed"):
                self._numerators[cause] = torch.zeros_like(training.theta)

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        self.on_train_start(training)
        for name, value in state.items():
            kind, _, key = name.partition(".")
            (self._sums if kind == "sum" else self._numerators)[key] = value

    def state(self) -> Mapping[str, Tensor]:
        """Return the sums (seeds,) and each cause's part of n (seeds, P)."""
        sums = {f"sum.{name}": value for name, value in self._sums.items()}
        return sums | {f"numerator.{cause}": part for cause, part in self._numerators.items()}

    def on_step(self, step: Step) -> None:
        """Take the trait loss and gradient, and the gradient's parts, while θ is the one before."""
        _ = step.trait
        if self._numerators:
            decay, gain = step.training.optim.numerator or (0.0, 0.0)
            parts = {
                "distill": step.task_gradient,
                "penalty": step.gradient - step.task_gradient,
                "removed": step.applied - step.gradient,
            }
            for cause, gradient in parts.items():
                self._numerators[cause].mul_(decay).add_(gradient, alpha=gain)

    def on_update(self, step: Step) -> None:
        training = step.training
        before, trait_gradient = step.trait
        with torch.no_grad():
            x = training.trait.images(step.trait_rows)
            logits = training.network.forward(training.params, x)
            after = training.trait.loss(logits, step.trait_rows)
        predicted = dot(trait_gradient, step.update)
        self._enter(step, metrics.LEDGER_PREDICTED, predicted)
        self._enter(step, metrics.LEDGER_ACTUAL, after - before)
        if self._numerators:
            numerator = torch.stack(list(self._numerators.values())).sum(dim=0)
            # Where n is 0 the coordinate does not move.
            factor = torch.where(numerator != 0, step.proposed / numerator, 0.0)
            distill = dot(trait_gradient, factor * self._numerators["distill"])
            penalty = dot(trait_gradient, factor * self._numerators["penalty"])
            self._enter(step, metrics.LEDGER_DISTILL, distill)
            self._enter(step, metrics.LEDGER_PENALTY, penalty)
            self._enter(step, metrics.LEDGER_INTERVENTION, predicted - distill - penalty)
        if self.layers:
            for name, span in training.network.layout.spans.items():
                part = dot(trait_gradient[:, span], step.update[:, span])
                step.log(f"{metrics.LEDGER_PREDICTED}/{name}", part)

    def _enter(self, step: Step, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        step.log(name, value)
        step.log(metrics.total(name), self._sums[name])
