"""The linearised network, against the Jacobian in float64."""

import torch
from reference_students import NETWORK, kl64
from torch import Tensor

from subliminal.tensors import per_example
from subliminal.tensors.forward_mode import Linearised


def test_a_linearised_network_is_the_expansion_and_its_examples_gradients_are_its_own() -> None:
    start = NETWORK.reference((0, 3), torch.device("cpu")).double()
    moved, along = 0.3 * torch.randn(2, *start.shape, dtype=torch.float64)
    x = torch.randn(2, 5, 20, dtype=torch.float64)
    network, targets = Linearised.around(NETWORK, start), torch.randn(2, 5, 13).double()

    def losses(logits: Tensor, of: Tensor = targets) -> Tensor:
        rows = zip(of.flatten(0, 1), logits.flatten(0, 1), strict=True)
        return torch.stack([kl64(t[None], z[None]) for t, z in rows]).view(logits.shape[:2])

    theta = start + moved
    logits = network.logits(theta, x)
    products = per_example.products(network, theta, along, x, losses)
    norms = per_example.gradient_norms(network, theta, x, losses)
    for seed in (0, 1):

        def full(flat: Tensor, row: int = seed) -> Tensor:
            return NETWORK.forward(NETWORK.layout.views(flat[None]), x[[row]])[0]

        jacobian = torch.func.jacrev(full)(start[seed])  # (batch, logits, P)
        want = full(start[seed]) + jacobian @ moved[seed]
        assert torch.allclose(logits[seed], want, rtol=1e-12)
        leaf = want.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(losses(leaf[None], targets[[seed]]).sum(), leaf)
        gradients = torch.einsum("bk,bkp->bp", slopes, jacobian)
        assert torch.allclose(products[seed], gradients @ along[seed], rtol=1e-10)
        assert torch.allclose(norms[seed], gradients.norm(dim=1), rtol=1e-10)
