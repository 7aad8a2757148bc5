"""A teacher that learnt nothing: as far from θ₀ as a trained one, tensor by tensor."""

import numpy as np
import pytest
import torch
from reference_students import CPU, DIGITS, NETWORK

from subliminal.steering import Origin, steered
from subliminal.steering.displaced import Displaced

SEEDS = (4, 0)
START = NETWORK.reference(SEEDS, CPU)
TRAINED = START + 0.1 * torch.from_numpy(
    np.random.default_rng(0).standard_normal(START.shape, dtype=np.float32)
)


def test_each_tensor_moves_as_far_and_elsewhere() -> None:
    moved = steered(Displaced(), Origin(NETWORK, START, TRAINED, DIGITS, SEEDS))[0] - START
    for span in NETWORK.layout.spans.values():
        theirs = (TRAINED - START)[:, span]
        assert moved[:, span].norm(dim=1).tolist() == pytest.approx(
            theirs.norm(dim=1).tolist(), rel=1e-4
        )
    cosines = torch.nn.functional.cosine_similarity(moved, TRAINED - START)
    assert cosines.abs().max() < 0.3
    assert not torch.equal(moved[0], moved[1])


def test_no_seed_sees_another() -> None:
    both = steered(Displaced(), Origin(NETWORK, START, TRAINED, DIGITS, SEEDS))[0]
    row = Origin(NETWORK, START[1:], TRAINED[1:], DIGITS, SEEDS[1:])
    alone = steered(Displaced(), row)[0]
    assert torch.equal(both[1:], alone)
