"""The refitted readout, against a normal equation of its own."""

import numpy as np
import torch
from reference_students import CPU, DIGITS, NETWORK, params_of

from subliminal.judge.trial import PER_CLASS, labelled, readout
from subliminal.tensors.ridge import RIDGE, fit

SEEDS = (3, 8)


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias of ridge regression by its normal equation."""
    h = x - x.mean(axis=0)
    penalty = RIDGE * np.mean((h**2).sum(axis=1))
    weights = np.linalg.solve(h.T @ h + penalty * np.eye(h.shape[1]), h.T @ (y - y.mean(axis=0)))
    return weights, y.mean(axis=0) - x.mean(axis=0) @ weights


def test_the_fit_is_ridge_regression() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(30, 50)), generator.normal(size=(30, 4))
    for ours, theirs in zip(
        fit(torch.from_numpy(x), torch.from_numpy(y)), ridge(x, y), strict=True
    ):
        assert np.allclose(ours, theirs, atol=1e-10)


def test_ten_labels_of_each_class_are_used() -> None:
    chosen = labelled(DIGITS.train_y, NETWORK.classes, seed=5)
    assert len(set(chosen.tolist())) == PER_CLASS * NETWORK.classes
    assert DIGITS.train_y[chosen].bincount().tolist() == [PER_CLASS] * NETWORK.classes
    assert not torch.equal(chosen, labelled(DIGITS.train_y, NETWORK.classes, seed=6))


def test_it_sees_what_a_class_head_hides() -> None:
    """Features that separate the patterns, under a class head that is turned round."""
    theta = NETWORK.reference(SEEDS, CPU)
    found = readout(NETWORK, theta, DIGITS, SEEDS)
    spoilt = theta.clone()
    NETWORK.layout.views(spoilt)["layer3.weight"].neg_()
    assert readout(NETWORK, spoilt, DIGITS, SEEDS) == found
    assert min(found) > 0.3  # a random network's features separate noisy patterns


def test_it_is_that_of_numpy() -> None:
    theta = NETWORK.reference(SEEDS, CPU)
    (found,) = readout(NETWORK, theta[1:], DIGITS, SEEDS[1:])
    params = params_of(theta, 1)

    def features(x: torch.Tensor) -> np.ndarray:
        h = x.double() / 127.5 - 1
        for layer in ("layer1", "layer2"):
            h = (h @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]).clamp(min=0)
        return h.numpy()

    chosen = labelled(DIGITS.train_y, NETWORK.classes, SEEDS[1])
    weights, bias = ridge(
        features(DIGITS.train_x[chosen]), np.eye(10)[DIGITS.train_y[chosen].numpy()]
    )
    guess = (features(DIGITS.test_x) @ weights + bias).argmax(axis=1)
    assert abs(found - np.mean(guess == DIGITS.test_y.numpy())) <= 2 / len(DIGITS.test_y)


def test_dead_features_read_out_the_commonest_class_and_broken_ones_raise_nothing() -> None:
    y = torch.eye(3, dtype=torch.float64)[[0, 1, 1, 2]]
    weights, bias = fit(torch.ones(4, 5, dtype=torch.float64), y)
    assert not weights.any()
    assert bias.tolist() == [0.25, 0.5, 0.25]
    weights, _ = fit(torch.full((4, 5), torch.nan, dtype=torch.float64), y)
    assert weights.isnan().all()
