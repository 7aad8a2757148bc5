"""A linear readout, fitted in closed form."""

import torch
from torch import Tensor

RIDGE = 1e-2  # of the penalty, as a share of the features' mean square


def fit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (width, classes) and bias (classes,) of ridge regression, in x's type.

    Features are standardised before they are penalised: no loud one drowns the others. The weights
    are those of the features as they are; a feature without variance has none.
    """
    centre, level, spread = x.mean(dim=0), y.mean(dim=0), deviations(x)
    h = (x - centre) / spread
    gram = h @ h.mT  # (k, k): fewer examples than features
    mean = gram.diagonal().mean()
    size = torch.where(mean > 0, RIDGE * mean, 1.0)  # features may be dead
    penalty = size * torch.eye(len(h), dtype=h.dtype, device=h.device)
    weights = h.mT @ torch.linalg.solve(gram + penalty, y - level) / spread[:, None]
    return weights, level - centre @ weights


def deviations(x: Tensor) -> Tensor:
    """Return each feature's standard deviation over the examples, 1 where it has none: (width,)."""
    spread = x.std(dim=0, correction=0)
    return torch.where(spread > 0, spread, 1.0)
