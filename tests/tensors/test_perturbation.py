"""Noise on weights."""

import numpy as np
import pytest
import torch
from reference_students import CPU, NETWORK
from scipy import stats

from subliminal.config.schema import Perturbation
from subliminal.errors import UserError
from subliminal.tensors.perturbation import check, perturbed

LAYOUT = NETWORK.layout
THETA = NETWORK.reference((0, 5), CPU)


def moved(sigma: float, layers: list[str], tensors: str, moment: str = "x") -> np.ndarray:
    perturbation = Perturbation(sigma=sigma, layers=layers, tensors=tensors)
    after = perturbed(THETA, perturbation, LAYOUT, (0, 5), moment=moment)
    return (after - THETA).double().numpy()


def test_the_noise_is_normal_and_leaves_the_padding_alone() -> None:
    noise = moved(0.3, [], "all") / 0.3
    inside = np.concatenate([noise[:, span] for span in LAYOUT.spans.values()], axis=1)
    assert stats.kstest(inside.ravel(), "norm").pvalue > 1e-3
    assert all(not noise[:, a:b].any() for a, b in LAYOUT.gaps)


@pytest.mark.parametrize(
    ("layers", "tensors", "hit"),
    [
        (["layer2"], "all", {"layer2.weight", "layer2.bias"}),
        (["layer2", "layer3"], "bias", {"layer2.bias", "layer3.bias"}),
        ([], "weight", {"layer1.weight", "layer2.weight", "layer3.weight"}),
        (["layer1.bias"], "all", {"layer1.bias"}),
    ],
)
def test_only_what_is_named_moves(layers: list[str], tensors: str, hit: set[str]) -> None:
    noise = moved(0.1, layers, tensors)
    assert {name for name, span in LAYOUT.spans.items() if noise[:, span].all()} == hit
    assert {name for name, span in LAYOUT.spans.items() if noise[:, span].any()} == hit


def test_moments_and_seeds_have_noise_of_their_own() -> None:
    noise = moved(0.1, [], "all")
    assert not np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise, moved(0.1, [], "all", "y"))
    alone = perturbed(
        THETA[1:], Perturbation(sigma=0.1, layers=[], tensors="all"), LAYOUT, (5,), moment="x"
    )
    assert torch.equal((alone[0] - THETA[1]).double(), torch.from_numpy(noise[1]))


def test_bad_values_are_refused() -> None:
    for key, value in {"sigma": -0.1, "layers": ["layer9"], "tensors": "some"}.items():
        values = {"sigma": 0.1, "layers": [], "tensors": "all", key: value}
        with pytest.raises(UserError, match=rf"x\.{key}"):
            check(Perturbation(**values), LAYOUT, "x")  # type: ignore[arg-type]
