"""Is the alignment more than minibatch noise? A null and a noise-free reference."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.config.hashing import Count, Unordered
from subliminal.probes import Probe
from subliminal.state import Step
from subliminal.tensors import streams
from subliminal.tensors.geometry import cosine


@dataclass(frozen=True, kw_only=True)
class NoiseFloor(Probe):
    """Alignment with shuffled labels (the null), and of full-batch gradients (no batch noise).

    The null is cos(g_D, ∇θ trait loss) on the step's labelled batch with its labels permuted: the
    digits are the same, the trait is not. The full-batch alignment takes both gradients over all
    their examples. Source: Kitkana & Arora 2026 (arXiv 2604.25779) report single batches.

    Attributes:
        every: measure the null at every k-th step, k ≥ 1.
        full_batch: numbers of updates after which the full-batch alignment is measured.
    """

    needs_classes = True

    every: Count
    full_batch: Unordered[list[int]]

    def on_step(self, step: Step) -> None:
        training = step.training
        if step.index % self.every == 0:
            digits = training.trait.images(step.trait_rows)
            logits = training.network.forward(training.params, digits)
            batch = step.trait_rows.shape[1]
            order = training.draws.order(streams.SHUFFLED_LABELS, batch, epoch=step.index)
            shuffled = step.trait_rows.gather(1, order)
            null = training.gradient(training.trait.loss(logits, shuffled))
            step.log(metrics.ALIGNMENT_NULL, cosine(step.gradient, null))
        if step.index in self.full_batch:
            distill = training.full_gradient(training.task)
            trait = training.full_gradient(training.trait)
            step.log(metrics.ALIGNMENT_FULL, cosine(distill, trait))
