"""Is the mean shift enough for the trait, and is it needed? (Blank et al. 2026)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.probes.shifts import CLASS, ShiftProbe
from subliminal.state import Training
from subliminal.tensors.geometry import share
from subliminal.tensors.network import Network


@dataclass(kw_only=True)
class ShiftPatching(ShiftProbe):
    """The trait with the student's mean shift s_l added to θ₀, and taken from the student.

    - sufficiency: layer l of θ₀ puts out h_l + s_l; how much of the teacher's shift of the class
      logits follows (`trait/shift` of the activation shift probe: 0 at θ₀, 1 for the teacher)?
    - necessity: layer l of the student puts out h_l − s_l; how much of it is left?

    s_l is one vector for all digits. If it is what carries the trait, the first comes to the
    student's own `trait/shift` and the second to 0. Of the last hidden layer that is no finding but
    algebra where the class head has not moved (distillation on auxiliary logits does not move it):
    the logits' mean is linear in that layer's. Measured at the start and after each epoch, for
    each hidden layer; without a layer in its name a metric is that of `layer`. Source: the causal
    tests of Blank et al. 2026 (arXiv 2606.00995).

    Attributes:
        layer: the layer that counts; null: the first.
    """

    layer: str | None

    def check(self, network: Network) -> None:
        if self.layer is not None:
            network.check_hidden(self.layer, "probe.shift_patching.layer")

    def on_epoch_end(self, training: Training) -> None:
        student = self._means(training.network, training.theta).less(self._start)
        for layer in training.network.hidden:
            shift = student[layer]
            for name, theta, vector in (
                (metrics.PATCH_ADDED, training.reference, shift),
                (metrics.PATCH_REMOVED, training.theta, -shift),
            ):
                value = self._patched(training, theta, layer, vector)
                training.log(f"{name}/{layer}", value)
                if layer == (self.layer or training.network.hidden[0]):
                    training.log(name, value)

    @torch.no_grad()
    def _patched(self, training: Training, theta: Tensor, layer: str, vector: Tensor) -> Tensor:
        """Return the trait (seeds,) of weights θ with `vector` added to a layer's output."""
        network = training.network
        params = network.layout.views(theta)
        hidden = network.model.activations(params, self._images)
        logits = network.model.onward(params, layer, hidden[layer] + vector[:, None])
        shift = logits[..., : network.classes].mean(dim=1) - self._start.layers[CLASS]
        return share(shift, self._teacher[CLASS])
