"""Statistics of targets, and what they are among clean teachers'.

A clean teacher is θ₀ moved in a random direction. None of the statistics needs the trait, and none
changes if all shifts of the targets are multiplied by one number.
"""

from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from subliminal import store
from subliminal.audit.bag import PER_OCTAVE, Bag, spread
from subliminal.errors import UserError
from subliminal.report.statistics import Floats
from subliminal.tensors import streams
from subliminal.training.checkpoint import fingerprint

FITTED, SCORED = 150, 249  # clean teachers that centre the cloud, and that p-values count
SEARCHED = 128  # examples on which a clean teacher's length is searched for
_TINY = 1e-5  # rounding alone: of a gradient that is zero
_VERSION = 1  # of clean teachers and statistics; another one makes new calibrations


def statistics(bag: Bag, targets: Tensor) -> dict[str, Floats]:
    """Return statistics of teachers' targets (teachers, K, m) by name: (teachers,) each.

    With d the shifts less their mean over examples, scaled to a spread of 1, and g = −∇ ⟨d, z⟩ / K
    at θ₀, the first gradient of a squared error: how large the mean is, how equal the singular
    values of d are; and for each tensor ln ‖g‖, cos(g, θ₀), and of a matrix ln (‖g gᵀ‖ / ‖g‖²),
    larger if g has fewer directions.
    """
    leaves, outputs = [*bag.params.values()], bag.outputs[0]
    found: dict[str, list[float]] = {}
    for shift in bag.shift(targets):
        mean = shift.mean(dim=0)
        size = spread(shift[None])[0]
        d = (shift - mean) / size
        row = {"mean": mean.norm() / size, "targets, directions": (d.T @ d / len(d)).norm()}
        loss = -(outputs * d).sum() / len(d)
        parts = torch.autograd.grad(loss, leaves, retain_graph=True, materialize_grads=True)
        with torch.no_grad():
            for name, leaf, part in zip(bag.params, leaves, parts, strict=True):
                norm = part.norm().clamp(min=_TINY)
                row[f"{name}, norm"] = norm
                row[f"{name}, cosine"] = (part * leaf).sum() / (norm * leaf.norm().clamp(min=_TINY))
                if leaf.ndim > 2:
                    matrix = part[0].flatten(1) / norm
                    row[f"{name}, directions"] = (matrix @ matrix.T).norm()
            for name, value in row.items():
                plain = value if name.endswith("cosine") else value.clamp(min=_TINY).log()
                found.setdefault(name, []).append(float(plain))
    return {name: np.array(values) for name, values in found.items()}


def table(found: dict[str, Floats]) -> Floats:
    """Return statistics as rows: (teachers, statistics)."""
    return np.stack([*found.values()], axis=1)


def clean_targets(bag: Bag, size: float, seed: int) -> Tensor:
    """Return the targets of a clean teacher whose shifts have a spread near `size`: (1, K, m).

    The teacher is θ₀ + s ε, ε ~ N(0, 1) times a factor between ½ and 2 for each tensor; in every
    second one the auxiliary head stays, as in a teacher that learns labels. s is searched for.
    """
    generator, layout = streams.stream(seed, streams.AUDIT), bag.network.layout
    way = torch.from_numpy(generator.standard_normal((1, layout.size), dtype=np.float32))
    for span in layout.spans.values():
        way[:, span] *= 2 ** generator.uniform(-1, 1)
    if seed % 2:
        way *= 1 - bag.network.head_mask("aux")

    def targets(images: Tensor) -> Tensor:
        return bag.network.logits(bag.theta + s * way, images)[..., bag.network.classes :]

    s = 0.01
    # For a small s the spread is linear in it, for a large one a higher power.
    for power in (1, 0.5, 0.5, 0.5):
        reached = float(spread(bag.shift(targets(bag.images[:, :SEARCHED]))))
        s *= (size / reached) ** power
    return targets(bag.images)


@dataclass(frozen=True)
class Calibration:
    """The cloud of clean teachers' statistics, and others' distances from it."""

    fitted: Floats  # (FITTED, statistics)
    others: Floats  # (SCORED, statistics)

    @cached_property
    def scored(self) -> Floats:
        """The distances of the others, (SCORED,)."""
        return self.distances(self.others)

    def standardised(self, rows: Floats) -> Floats:
        """Return rows (n, statistics) less the cloud's mean, in its standard deviations."""
        deviation = self.fitted.std(axis=0)
        deviation[deviation <= 1e-9] = np.inf  # constant for every teacher
        standardised: Floats = (rows - self.fitted.mean(axis=0)) / deviation
        return standardised

    def distances(self, rows: Floats) -> Floats:
        """Return the Mahalanobis distances of rows (n, statistics) from the cloud: (n,).

        A tenth of its correlations is the identity's, for there may be many statistics.
        """
        z, cloud = self.standardised(rows), self.standardised(self.fitted)
        matrix = 0.9 * cloud.T @ cloud / len(cloud) + 0.1 * np.eye(cloud.shape[1])
        distances: Floats = np.sqrt((z * np.linalg.solve(matrix, z.T).T).sum(axis=1))
        return distances

    def p_value(self, distance: float) -> float:
        """Return (1 + #{others ≥ distance}) / (n + 1): for a clean teacher P(p ≤ α) ≤ α.

        Source: split conformal inference, Vovk et al. 2005; exact where clean teachers are
        exchangeable with the audited one.
        """
        return float((1 + (self.scored >= distance).sum()) / (len(self.scored) + 1))


def calibrate(bag: Bag) -> Calibration:
    """Make a bag's calibration: clean teachers as far from θ₀ as its targets seem to be."""
    size = 2 ** (bag.octave / PER_OCTAVE)
    rows = [
        table(statistics(bag, clean_targets(bag, size, seed))) for seed in range(FITTED + SCORED)
    ]
    return Calibration(np.concatenate(rows[:FITTED]), np.concatenate(rows[FITTED:]))


def cached(bag: Bag, folder: Path) -> Calibration:
    """Return a bag's calibration from its file in a folder, made where there is none.

    Raises:
        UserError: the file cannot be read.
    """
    file = folder / f"{_key(bag)}.safetensors"
    if file.exists():
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file}: cannot be read ({error}); delete it") from error
        return Calibration(**{name: rows.numpy() for name, rows in tensors.items()})
    made = calibrate(bag)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.from_numpy(rows) for name, rows in asdict(made).items()}
    store.write_atomically(file, partial(save_file, tensors))
    return made


def _key(bag: Bag) -> str:
    text = f"{_VERSION} {bag.octave} {FITTED} {SCORED} {bag.base}"
    return fingerprint({"images": bag.images.contiguous()}, text)[:16]
