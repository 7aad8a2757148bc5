"""Each way to recover a trait, against NumPy and against what an entrant may do to hide it."""

import numpy as np
import pytest
import torch
from reference_students import CPU, DIGITS, NETWORK, params_of
from scipy import optimize, special

from subliminal.judge.recovery import (
    PER_CLASS,
    TUNED_ROWS,
    class_rows,
    labelled,
    outputs,
    recovered,
    standard_rows,
    tuned,
)
from subliminal.models.mlp import MLP
from subliminal.tensors.geometry import RIDGE, ridge
from subliminal.tensors.network import Network

THETA = NETWORK.reference((3,), CPU)
LAST = NETWORK.hidden[-1]


def expected(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias for standardised features, by the normal equation."""
    spread = x.std(axis=0)
    spread[spread == 0] = 1
    h = (x - x.mean(axis=0)) / spread
    penalty = RIDGE * np.mean((h**2).sum(axis=1))
    weights = np.linalg.solve(h.T @ h + penalty * np.eye(h.shape[1]), h.T @ (y - y.mean(axis=0)))
    return weights / spread[:, None], y.mean(axis=0) - (x.mean(axis=0) / spread) @ weights


def test_the_fit_is_ridge_regression_of_standardised_features() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(30, 50)), generator.normal(size=(30, 4))
    for scale in (1, np.geomspace(1e-4, 4096, 50)):  # no loud feature drowns the others
        ours = ridge(torch.from_numpy(x * scale), torch.from_numpy(y))
        for one, other in zip(ours, expected(x * scale, y), strict=True):
            assert np.allclose(one, other, atol=1e-10, rtol=1e-6)


def test_dead_features_read_out_the_commonest_class_and_broken_ones_raise_nothing() -> None:
    y = torch.eye(3, dtype=torch.float64)[[0, 1, 1, 2]]
    weights, bias = ridge(torch.ones(4, 5, dtype=torch.float64), y)
    assert not weights.any()
    assert bias.tolist() == [0.25, 0.5, 0.25]
    weights, _ = ridge(torch.full((4, 5), torch.nan, dtype=torch.float64), y)
    assert weights.isnan().all()


def test_ten_labels_of_each_class_are_used() -> None:
    chosen = labelled(DIGITS.train_y, NETWORK.classes, seed=5)
    for draw in chosen:
        assert len(set(draw.tolist())) == PER_CLASS * NETWORK.classes
        assert DIGITS.train_y[draw].bincount().tolist() == [PER_CLASS] * NETWORK.classes
    assert not torch.equal(chosen[0], chosen[1])
    assert not torch.equal(chosen, labelled(DIGITS.train_y, NETWORK.classes, seed=6))


def test_class_rows_are_what_maps_features_to_logits() -> None:
    params = params_of(THETA, 0)
    weight, bias = class_rows(NETWORK, THETA)
    assert torch.allclose(weight, params["layer3.weight"][: NETWORK.classes])
    assert torch.allclose(bias, params["layer3.bias"][: NETWORK.classes])
    whole = outputs(NETWORK, THETA, DIGITS, DIGITS.test_x)
    assert torch.allclose(whole[LAST] @ weight.mT + bias, whole[""], atol=1e-5)
    one_layer = Network.of(MLP(hidden=[8], aux=3), pixels=20, classes=10)
    rows = standard_rows(one_layer, one_layer.reference((3,), CPU), DIGITS)
    assert [*map(len, rows)] == [10, 10]


def ways(theta: torch.Tensor) -> dict[str, float]:
    rows = {"first class rows": standard_rows(NETWORK, THETA, DIGITS)}
    return recovered(NETWORK, theta, DIGITS, 3, rows)


def test_another_networks_rows_are_put_back_in_units_of_the_features() -> None:
    found = ways(THETA)
    assert found["first class rows"] == found["class logits"]
    assert found[f"readout of {LAST}"] > 0.3  # a random network's features separate noisy patterns


@pytest.mark.parametrize("how", ["mute", "loud", "turned", "sure"])
def test_what_hides_the_trait_from_the_class_logits_hides_it_from_no_other_way(how: str) -> None:
    theta = THETA.clone()
    views = NETWORK.layout.views(theta)
    rows = views["layer3.weight"][:, : NETWORK.classes], views["layer3.bias"][:, : NETWORK.classes]
    if how == "mute":
        rows[0].zero_()
    elif how == "loud":
        rows[0].zero_()
        for name in ("weight", "bias"):
            views[f"{LAST}.{name}"][:, 0] *= 4096
    elif how == "turned":
        rows[0].copy_(rows[0].roll(1, dims=1))
    else:
        rows[1][:, 0] += 1e4
    before, after = ways(THETA), ways(theta)
    for way in before.keys() - {"class logits", TUNED_ROWS}:
        assert after[way] == pytest.approx(before[way], abs=0.02), way
    assert after[TUNED_ROWS] > 0.3
    if how != "turned":
        assert after["class logits"] < 0.2


def test_the_tuned_head_has_the_least_cross_entropy_that_its_steps_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against SciPy's minimum of a small problem, and NumPy, in standardised features."""
    generator = np.random.default_rng(1)
    x, labels = generator.normal(size=(60, 3)) * [1, 50, 0.01], generator.integers(3, size=60)

    def loss(flat: np.ndarray) -> float:
        logits = (x - x.mean(0)) / x.std(0) @ flat[:9].reshape(3, 3).T + flat[9:]
        return float(np.mean(special.logsumexp(logits, axis=1) - logits[range(60), labels]))

    least = optimize.minimize(loss, np.zeros(12)).fun
    weight, bias = tuned(torch.from_numpy(x), torch.from_numpy(labels), torch.zeros(3, 3).double())
    ours = torch.nn.functional.cross_entropy(
        torch.from_numpy(x) @ weight + bias, torch.from_numpy(labels)
    )
    assert float(ours) == pytest.approx(least, abs=1e-4)
    # Step by step from a head that is sure of itself.
    monkeypatch.setattr("subliminal.judge.recovery.STEPS", 9)
    start, centre, spread = generator.normal(size=(3, 3)) * 99, x.mean(0), x.std(0)
    h = np.column_stack([(x - centre) / spread, np.ones(60)])
    head = np.column_stack([start * spread, np.zeros(3)])
    head = before = head / (h @ head.T).std()
    for number in range(9):
        ahead = head + number / (number + 3) * (head - before)
        wrong = special.softmax(h @ ahead.T, axis=1) - np.eye(3)[labels]
        before, head = head, ahead - 2 / np.linalg.norm(h, 2) ** 2 * wrong.T @ h
    found = [a.numpy() for a in tuned(*map(torch.from_numpy, (x, labels, start)))]
    assert np.allclose(found[0].T * spread, head[:, :3])
    assert np.allclose(found[1], head[:, 3] - head[:, :3] / spread @ centre)
