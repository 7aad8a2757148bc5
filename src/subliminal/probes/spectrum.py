"""The singular values of what was learnt, student against teacher."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import EpochProbe
from subliminal.probes.displacement import moves
from subliminal.state import Training


@dataclass(frozen=True, kw_only=True)
class Spectrum(EpochProbe):
    """Singular values of ΔW = W − W₀ of student and teacher, and how their leading spaces overlap.

    Of each weight W (out, in), a convolution's flattened to (out, in · 3 · 3), that both have in
    one shape: the k largest singular values `spectrum/student/<layer>/<i>` and `…/teacher/…`, and

        overlap = ‖U_Sᵀ U_T‖² / k in [0, 1]

    of the leading k left (`spectrum/overlap_left/<layer>`) and right singular vectors
    (`…_right/…`): 1 where they span one space, k / out (k / in) by chance. With k as large as the
    smaller side the space of that side is everything, and its overlap 1.

    Attributes:
        values: k ≥ 1, at most each layer's smaller side.
    """

    values: Count

    def measure(self, training: Training) -> None:
        shapes = training.network.layout.shapes
        for name, (student, teacher) in moves(training).items():
            if len(shapes[name]) < 2:
                continue
            ours, theirs = (_svd(flat, shapes[name][0]) for flat in (student, teacher))
            k = min(self.values, ours[1].shape[1])
            for metric, (_, values, _) in (
                (metrics.SPECTRUM_STUDENT, ours),
                (metrics.SPECTRUM_TEACHER, theirs),
            ):
                for i in range(k):
                    training.log(f"{metric}/{name}/{i + 1}", values[:, i])
            left, right = (
                _overlap(a[:, :, :k], b[:, :, :k])
                for a, b in ((ours[0], theirs[0]), (ours[2], theirs[2]))
            )
            training.log(f"{metrics.SPECTRUM_LEFT}/{name}", left)
            training.log(f"{metrics.SPECTRUM_RIGHT}/{name}", right)


def _svd(flat: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (seeds, out, r), the singular values (seeds, r) and V (seeds, in, r), r the smaller.

    Of a seed whose weights are not finite, they are NaN: the others' are not to be lost with it.
    """
    matrix = flat.reshape(flat.shape[0], rows, -1)
    finite = torch.isfinite(matrix).all(dim=2).all(dim=1)[:, None, None]
    parts = [
        torch.linalg.svd(of_seed, full_matrices=False)
        for of_seed in torch.where(finite, matrix, 0.0)
    ]
    u, values, v = (torch.stack(tensors) for tensors in zip(*parts, strict=True))
    return (
        torch.where(finite, u, torch.nan),
        torch.where(finite[:, 0], values, torch.nan),
        torch.where(finite, v.mT, torch.nan),
    )


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return ‖Aᵀ B‖² / k of orthonormal columns (seeds, n, k): (seeds,)."""
    return (a.mT @ b).square().sum(dim=(1, 2)) / a.shape[2]
