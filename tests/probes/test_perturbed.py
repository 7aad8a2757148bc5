"""Noise on the trained student."""

import pytest
import torch
from reference_students import DIGITS, NETWORK, forward64, logged, params_of, student

from subliminal.probes.perturbed import Perturbed
from subliminal.tensors import streams
from subliminal.training.loop import fit


def test_the_accuracy_is_that_of_noisy_weights() -> None:
    training = student((0, 3))
    before = training.theta.clone()
    fit(training, [Perturbed(sigmas=[0.0, 0.3], layers=["layer2"], tensors="weight")])
    for column, seed in enumerate((0, 3)):
        draws = streams.stream(seed, f"{streams.PERTURBATION}/student after").standard_normal(
            NETWORK.layout.size, dtype="float32"
        )
        noise = torch.from_numpy(draws)[NETWORK.layout.spans["layer2.weight"]]
        for sigma in (0.0, 0.3):
            params = params_of(training.theta, column)
            params["layer2.weight"] += sigma * noise.view(8, 12)
            guess = forward64(params, DIGITS.scale(DIGITS.test_x))[:, :10].argmax(dim=1)
            share = (guess == DIGITS.test_y).double().mean().item()
            values = logged(training, f"perturbed/accuracy/{sigma:g}")
            assert values[-1, column] == pytest.approx(share, abs=0.011)  # of 200 digits
    alone = student((0, 3))
    fit(alone)
    assert torch.equal(alone.theta, training.theta)  # it only measures
    assert not torch.equal(before, training.theta)
