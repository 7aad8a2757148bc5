"""The controls of projection: the same size, other directions; and the penalty in weight space."""

import itertools

import numpy as np
import pytest
import torch
from reference_students import NETWORK, Recorder, Seen, gradient64, logged, params_of, student
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.mitigations.anchor import Anchor
from subliminal.mitigations.gradient_noise import GradientNoise
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


def test_noise_does_not_touch_the_padding() -> None:
    for seen in steps(GradientNoise(space="gradient", sign="both")):
        assert all(not seen.applied[:, a:b].any() for a, b in NETWORK.layout.gaps)


def test_the_anchors_gradient_points_home() -> None:
    recorder = Recorder()
    training = student((0, 3), mitigations=[Anchor(strength=0.3)])
    fit(training, [recorder])
    plain = Recorder()
    fit(student((0, 3)), [plain])
    assert torch.equal(recorder.steps[0].gradient, plain.steps[0].gradient)  # at home: no pull
    for seen in recorder.steps:
        home = params_of(training.reference)

        def pull(params: dict[str, Tensor], home: dict[str, Tensor] = home) -> Tensor:
            squares = [((params[name] - home[name]) ** 2).sum() for name in params]
            return 0.15 * torch.stack(squares).sum()

        expected = gradient64(pull, params_of(seen.theta))
        views = NETWORK.layout.views(0.3 * (seen.theta - training.reference).double())
        for name, value in expected.items():
            assert views[name][0].numpy() == pytest.approx(value.numpy(), abs=1e-7)
    distance = np.stack(
        [(s.theta - training.reference).double().norm(dim=1).numpy() for s in recorder.steps]
    )
    assert logged(training, "anchor/distance") == pytest.approx(distance, rel=1e-5)


def test_an_anchored_students_gradient_is_the_sum_of_both() -> None:
    recorder = Recorder()
    training = student((1,), mitigations=[Anchor(strength=0.3)], epochs=1)
    fit(training, [recorder])
    again = student((1,), epochs=1)
    again.task.start_epoch(0)
    for seen in recorder.steps:
        again.theta.copy_(seen.theta)
        _, distill = again.loss_and_gradient(again.task, seen.rows)
        expected = distill + 0.3 * (seen.theta - training.reference)
        assert torch.allclose(seen.gradient, expected, atol=1e-7)
