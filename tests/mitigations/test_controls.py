"""The controls of projection: the same size, other directions; and the penalty in weight space."""

import itertools

import numpy as np
import pytest
import torch
from reference_students import NETWORK, Recorder, Seen, logged, student
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.mitigations.anchor import Anchor
from subliminal.mitigations.gradient_noise import GradientNoise
from subliminal.mitigations.l1 import L1
from subliminal.mitigations.random_projection import RandomProjection
from subliminal.training.loop import fit


def steps(mitigation: Mitigation, seeds: tuple[int, ...] = (0, 3)) -> list[Seen]:
    recorder = Recorder()
    fit(student(seeds, mitigations=[mitigation]), [recorder])
    return recorder.steps


def removed_by_projection(descent: Tensor, along: Tensor) -> np.ndarray:
    a, b = descent.double().numpy(), along.double().numpy()
    sizes: np.ndarray = np.maximum((a * b).sum(axis=1), 0) / np.linalg.norm(b, axis=1)
    return sizes


@pytest.mark.parametrize("kind", [RandomProjection, GradientNoise])
@pytest.mark.parametrize("space", ["gradient", "update"])
def test_what_is_taken_is_as_long_as_what_projection_takes(
    kind: type[RandomProjection] | type[GradientNoise], space: str
) -> None:
    acted = 0
    for seen in steps(kind(space=space, sign="positive")):
        if space == "gradient":
            taken, descent = seen.gradient - seen.applied, seen.gradient
        else:
            taken, descent = seen.update - seen.proposed, -seen.proposed
        length = taken.double().norm(dim=1).numpy()
        expected = removed_by_projection(descent, seen.trait_gradient)
        assert length == pytest.approx(expected, rel=1e-3, abs=1e-8)
        acted += int((expected > 0).sum())
    assert acted > 0


def test_a_random_projection_keeps_the_trait_gradients_share_of_each_tensor() -> None:
    for seen in steps(RandomProjection(space="gradient", sign="both")):
        taken, along = (seen.gradient - seen.applied).double(), seen.trait_gradient.double()
        for span in NETWORK.layout.spans.values():
            ours = taken[:, span].norm(dim=1) / taken.norm(dim=1)
            theirs = along[:, span].norm(dim=1) / along.norm(dim=1)
            assert ours.numpy() == pytest.approx(theirs.numpy(), rel=1e-3, abs=1e-4)


def test_random_directions_are_new_each_step_and_do_not_depend_on_the_stack() -> None:
    control = RandomProjection(space="gradient", sign="both")
    together, alone = steps(control), steps(control, (3,))
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a.applied[1], b.applied[0])
    taken = [(s.gradient - s.applied)[0] for s in alone]
    cosines = [float(torch.cosine_similarity(a, b, dim=0)) for a, b in itertools.pairwise(taken)]
    assert max(map(abs, cosines)) < 0.5


def test_noise_is_added_and_does_not_touch_the_padding() -> None:
    draws, size = student((0, 3)).draws, NETWORK.layout.size
    for number, seen in enumerate(steps(GradientNoise(space="gradient", sign="both"))):
        assert all(not seen.applied[:, a:b].any() for a, b in NETWORK.layout.gaps)
        noise = draws.normal("gradient_noise", size, epoch=number)
        assert bool((((seen.applied - seen.gradient) * noise).sum(dim=1) > 0).all())


@pytest.mark.parametrize("penalty", [Anchor(strength=0.3), L1(strength=0.3)])
def test_a_penalised_students_gradient_is_the_sum_of_both(penalty: Anchor | L1) -> None:
    recorder, again = Recorder(), student((1, 4), epochs=1)
    training = student((1, 4), mitigations=[penalty], epochs=1)
    fit(training, [recorder])
    again.task.start_epoch(0)
    anchored = isinstance(penalty, Anchor)
    sizes = logged(training, "anchor/distance" if anchored else "l1/norm")
    for seen, size in zip(recorder.steps, sizes, strict=True):
        again.theta.copy_(seen.theta)
        _, distill = again.loss_and_gradient(again.task, seen.rows)
        way = (seen.theta - training.reference) if anchored else seen.theta
        slope = way if anchored else way.sign()
        assert torch.allclose(seen.gradient, distill + 0.3 * slope, atol=1e-6)
        length = torch.linalg.vector_norm(way.double(), ord=2 if anchored else 1, dim=1)
        assert size == pytest.approx(length.numpy(), rel=1e-5)
