"""Noise on the trained student's weights: how robust what it acquired is."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.config.hashing import Unordered
from subliminal.config.schema import Perturbation
from subliminal.errors import UserError
from subliminal.probes import Probe
from subliminal.probes.states import first_test_digits
from subliminal.state import Training
from subliminal.tensors.network import Network, accuracy
from subliminal.tensors.perturbation import check, perturbed


@dataclass(frozen=True, kw_only=True)
class Perturbed(Probe):
    """Trait accuracy of θ + σ ε, ε ~ N(0, 1) on the chosen parameters, after each epoch.

    The last of the four moments at which Brockers et al. 2026 (arXiv 2605.23645) perturb weights;
    the others are `teacher.perturb_before`, `teacher.perturb_after` and `distill.perturb_before`.
    Nothing is trained after this one, so it only measures: the student is saved, as it
    is, and one run can measure many σ, along one and the same ε.

    Attributes:
        sigmas: σ ≥ 0, one or more.
        layers: e.g. `[class]`; empty: all.
        tensors: all | weight | bias.
    """

    sigmas: Unordered[list[float]]
    layers: Unordered[list[str]]
    tensors: str

    def check(self, network: Network) -> None:
        if not self.sigmas:
            raise UserError("probe.perturbed.sigmas: at least one is needed")
        for sigma in self.sigmas:
            check(self._of(sigma), network.layout, "probe.perturbed")

    def on_epoch_end(self, training: Training) -> None:
        (x, labels), network, seeds = first_test_digits(training), training.network, training.seeds
        for sigma in self.sigmas:
            noise = self._of(sigma)
            theta = perturbed(training.theta, noise, network.layout, seeds, moment="student after")
            value = accuracy(network.logits(theta, x), labels, network.classes)
            training.log(f"{metrics.PERTURBED_ACCURACY}/{sigma:g}", value)

    def _of(self, sigma: float) -> Perturbation:
        return Perturbation(sigma=sigma, layers=self.layers, tensors=self.tensors)
