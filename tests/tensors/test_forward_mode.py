"""The linearised network, against the Jacobian in float64."""

import torch
from reference_students import NETWORK
from torch import Tensor

from subliminal.tensors import per_example
from subliminal.tensors.forward_mode import Linearised


def test_a_linearised_network_is_the_expansion_and_its_gradients_are_those() -> None:
    start = NETWORK.reference((0, 3), torch.device("cpu")).double()
    moved, along = 0.3 * torch.randn(2, *start.shape, dtype=torch.float64)
    x, network = torch.randn(2, 5, 20).double(), Linearised.around(NETWORK, start)

    def losses(logits: Tensor) -> Tensor:
        return logits.logsumexp(dim=-1)

    of_all = (network, start + moved)
    products = per_example.products(*of_all, along, x, losses)
    norms = per_example.gradient_norms(*of_all, x, losses)
    for seed in (0, 1):

        def full(flat: Tensor, row: int = seed) -> Tensor:
            return NETWORK.forward(NETWORK.layout.views(flat[None]), x[[row]])[0]

        jacobian = torch.func.jacrev(full)(start[seed])  # (batch, logits, P)
        logits = full(start[seed]) + jacobian @ moved[seed]
        assert torch.allclose(network.logits(start + moved, x)[seed], logits, rtol=1e-12)
        gradients = torch.einsum("bk,bkp->bp", logits.softmax(dim=-1), jacobian)
        assert torch.allclose(products[seed], gradients @ along[seed], rtol=1e-10)
        assert torch.allclose(norms[seed], gradients.norm(dim=1), rtol=1e-10)
