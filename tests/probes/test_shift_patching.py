"""Sufficiency and necessity by another route: a vector after a ReLU is a shift of the next bias."""

import pytest
import torch
from reference_students import Params, logged, params_of, student
from test_activation_shift import N, layers64, shifts64

from subliminal.probes.activation_shift import ActivationShift
from subliminal.probes.shift_patching import ShiftPatching
from subliminal.training.loop import fit


def patched64(params: Params, layer: str, vector: torch.Tensor) -> torch.Tensor:
    """Return the mean class logits with `vector` added to the layer's output."""
    follower = {"layer1": "layer2", "layer2": "layer3"}[layer]
    moved = params | {
        f"{follower}.bias": params[f"{follower}.bias"] + params[f"{follower}.weight"] @ vector
    }
    return layers64(moved)["class"].mean(dim=0)


@pytest.mark.parametrize("layer", ["layer1", "layer2"])
def test_it_is_a_shift_of_the_next_bias(layer: str) -> None:
    training = student((0, 3), logits="all")  # so that the class head moves too
    fit(training, [ShiftPatching(layer=layer, examples=N)])
    for column in (0, 1):
        start, ours = (params_of(t, column) for t in (training.reference, training.theta))
        shifts = shifts64(training, column)
        vector, goal = torch.from_numpy(shifts[layer][0]), torch.from_numpy(shifts["class"][1])
        origin = layers64(start)["class"].mean(dim=0)
        for name, params, sign in (("added", start, 1), ("removed", ours, -1)):
            moved = patched64(params, layer, sign * vector) - origin
            found = logged(training, f"patch/{name}")
            expected = float(moved @ goal / (goal @ goal))
            assert found[-1, column] == pytest.approx(expected, rel=1e-3, abs=1e-6), name
            assert found[0, column] == pytest.approx(0, abs=1e-6)


def test_of_the_last_layer_it_is_algebra_where_the_class_head_stays() -> None:
    training = student((0, 3))
    whole = ActivationShift(every=100, examples=N, of_class=None)
    fit(training, [whole, ShiftPatching(layer="layer2", examples=N)])
    assert logged(training, "patch/added") == pytest.approx(
        logged(training, "trait/shift"), abs=1e-5
    )
    assert logged(training, "patch/removed") == pytest.approx(0, abs=1e-5)
