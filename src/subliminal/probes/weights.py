"""Layer by layer: how far apart teacher and student are, initial and trained."""

from dataclasses import dataclass
from itertools import combinations

from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.probes.displacement import moves
from subliminal.probes.states import name, states
from subliminal.state import Training
from subliminal.tensors.geometry import cosine, norm, ratio

UPDATES = "student_update-teacher_update"


@dataclass(frozen=True, kw_only=True)
class Weights(Probe):
    """cos(a, b), ‖a − b‖ and ‖a − b‖ / ‖b‖ of each parameter tensor, after each epoch.

    For the six pairs of teacher and student, initial and final (after the last epoch, "final" is
    final), as Brockers et al. 2026 (arXiv 2605.23645) report for weights; and for the two updates
    θ − θ₀, which tell a student that moves as its teacher did from one that starts near it.
    Tensors that only one of two architectures has, or has in another shape, are left out.
    """

    def on_epoch_end(self, training: Training) -> None:
        for a, b in combinations(states(training), 2):
            ours, theirs = a.network.layout, b.network.layout
            for layer, shape in ours.shapes.items():
                if theirs.shapes.get(layer) == shape:
                    x, y = a.theta[:, ours.spans[layer]], b.theta[:, theirs.spans[layer]]
                    for metric, values in compare(x, y).items():
                        training.log(name(metric, a, b, layer), values)
        for layer, (student, teacher) in moves(training).items():
            for metric, values in compare(student, teacher).items():
                training.log(f"{metric}/{UPDATES}/{layer}", values)


def compare(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Return each metric of two flat tensors (seeds, n): (seeds,).

    The relative distance is to the length of b, and 0 where that is 0.
    """
    distance, length = norm(a - b), norm(b)
    return {
        metrics.WEIGHT_COSINE: cosine(a, b),
        metrics.WEIGHT_DISTANCE: distance,
        metrics.WEIGHT_RELATIVE: ratio(distance, length),
    }
