"""Inner products, projections and similarities, one row per seed; ridge regression of one."""

import torch
from torch import Tensor

RIDGE = 1e-2  # of the penalty, as a share of the features' mean square


def widest(device: torch.device) -> torch.dtype:
    """Return the widest float type of a device: float64, but float32 on MPS, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return ⟨a, b⟩ per seed: (seeds, P), (seeds, P) -> (seeds,).

    Products and sum are rounded to the inputs' precision. The sum is a tree, not a running
    total: its error grows with log P, not P, which keeps the digits of a cosine near 0.005, a sum
    of cancelling terms.
    """
    return (a * b).sum(dim=-1)


def norm(a: Tensor) -> Tensor:
    """Return ‖a‖ per seed: (seeds, P) -> (seeds,)."""
    return dot(a, a).sqrt()


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b, zero where b is zero; b ≥ 0, of the same shape."""
    return torch.where(b > 0, a / b, 0.0)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return cos(a, b) per seed, zero where one of the two is zero: -> (seeds,)."""
    return ratio(dot(a, b), norm(a) * norm(b))


def share(a: Tensor, of: Tensor) -> Tensor:
    """Return ⟨a, b⟩ / ‖b‖² per seed, b = `of`, zero where b is zero: -> (seeds,)."""
    return ratio(dot(a, of), dot(of, of))


def orthonormal(columns: Tensor) -> Tensor:
    """Return an orthonormal basis of what the columns span: (seeds, n, r) -> (seeds, n, r).

    Gram & Schmidt, twice, which is enough for rounding; unlike LAPACK's, it never makes the host
    wait for a GPU. The columns must be independent.
    """
    basis = columns
    for _ in range(2):
        made: list[Tensor] = []
        for column in basis.unbind(dim=-1):
            for other in made:
                column = column - (other * column).sum(dim=-1, keepdim=True) * other
            made.append(column / column.norm(dim=-1, keepdim=True))
        basis = torch.stack(made, dim=-1)
    return basis


def principal(rows: Tensor, start: Tensor, *, rounds: int = 50) -> Tensor:
    """Return the leading right singular vectors of rows: (seeds, k, n), (seeds, n, r) -> as start.

    Subspace iteration from `start`: what it spans converges as (σ_{r+1} / σ_r)^(2 · rounds).
    Directions in which the rows have nothing are arbitrary.
    """
    kernel = rows.mT @ rows
    kernel = kernel / kernel.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[:, None, None].clamp(min=1e-30)
    basis = orthonormal(start)
    for _ in range(rounds):
        # The second term keeps directions that the rows lack from vanishing.
        basis = orthonormal(kernel @ basis + 1e-6 * basis)
    return basis


def component(a: Tensor, along: Tensor, sign: str) -> Tensor:
    """Return the component of `a` along `along`, both (seeds, P), where it has the given sign.

    ⟨a, b⟩ / ‖b‖² · b with b = `along`, per seed; zero where ⟨a, b⟩ has another sign (positive |
    negative | both), or b = 0.
    """
    square, product = dot(along, along), dot(a, along)
    if sign == "positive":
        product = product.clamp(min=0)
    elif sign == "negative":
        product = product.clamp(max=0)
    return ratio(product, square).to(a.dtype)[:, None] * along


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


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
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
