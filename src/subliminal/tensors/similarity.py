"""Similarity of two representations of the same examples."""

import torch
from torch import Tensor

from subliminal.tensors.geometry import ratio, widest


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Return linear CKA (Kornblith et al. 2019, arXiv 1905.00414) in [0, 1]: (seeds,).

    ‖Yᵀ X‖² / (‖Xᵀ X‖ ‖Yᵀ Y‖) of centred X, Y in Frobenius norms, in the widest float type, through
    the smaller of the widths' and the examples' products. x and y are (seeds, examples, width), of
    any two widths. 1 where one representation is the other turned, scaled and shifted, 0 where one
    is constant.
    """
    x, y = (v.to(widest(v.device)) for v in (x, y))
    x, y = (v - v.mean(dim=1, keepdim=True) for v in (x, y))
    if max(x.shape[2], y.shape[2]) > x.shape[1]:  # ⟨X Xᵀ, Y Yᵀ⟩ is the same number
        x, y = x @ x.mT, y @ y.mT  # (seeds, examples, examples)
        product = (x * y).sum(dim=(1, 2))
        lengths = (x.square().sum(dim=(1, 2)) * y.square().sum(dim=(1, 2))).sqrt()
    else:
        product = (y.mT @ x).square().sum(dim=(1, 2))
        lengths = torch.linalg.matrix_norm(x.mT @ x) * torch.linalg.matrix_norm(y.mT @ y)
    return ratio(product, lengths)
