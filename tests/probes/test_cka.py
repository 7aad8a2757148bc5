"""Similarity of representations."""

import numpy as np
import pytest
import torch
from hsic import hsic_cka
from reference_students import DIGITS, logged, params_of, student

from subliminal.models.mlp import MLP
from subliminal.probes.cka import CKA
from subliminal.tensors.network import Network
from subliminal.training.loop import fit


def test_the_probe_compares_hidden_layers_on_test_digits() -> None:
    training = student((0, 3))
    fit(training, [CKA(examples=50)])
    assert training.teacher is not None
    x = DIGITS.scale(DIGITS.test_x[:50])

    def hidden(flat: torch.Tensor, column: int) -> list[np.ndarray]:
        params, h, found = params_of(flat, column), x.double(), []
        for layer in (1, 2):
            h = (h @ params[f"layer{layer}.weight"].T + params[f"layer{layer}.bias"]).clamp(min=0)
            found.append(h.numpy())
        return found

    for column in (0, 1):
        ours, theirs = hidden(training.theta, column), hidden(training.teacher, column)
        for layer, a, b in zip(("layer1", "layer2"), ours, theirs, strict=True):
            value = logged(training, f"cka/teacher_final-student_final/{layer}")[-1, column]
            assert value == pytest.approx(hsic_cka(a, b), rel=1e-4)
    last = logged(training, "cka/teacher_final-student_final/layer2")
    assert np.array_equal(last, logged(training, "cka/teacher_final-student_final/features"))
    same = logged(training, "cka/teacher_initial-student_initial/layer1")
    assert same == pytest.approx(1)


def test_networks_of_another_shape_share_their_last_hidden_layer() -> None:
    training = student((0,))
    other = Network.of(MLP(hidden=[9], aux=3), pixels=20, classes=10)
    training.teacher_network = other
    training.teacher = training.teacher_reference = other.reference((0,), training.theta.device)
    CKA(examples=20).on_epoch_end(training)
    (row,) = training.metrics.sync()
    between = {name.rpartition("/")[2] for name in row.values if "teacher_final-student" in name}
    assert between == {"layer1", "features"}


def test_a_seeds_values_do_not_depend_on_its_neighbours() -> None:
    values = []
    for seeds in ((3,), (0, 3)):
        training = student(seeds)
        CKA(examples=100).on_epoch_end(training)
        values.append(logged(training, "cka/teacher_final-student_final/layer1")[0, -1])
    assert values[0] == values[1]
