"""Alignment probes against float64 gradients."""

from dataclasses import replace

import numpy as np
import pytest
import reference_students as ref
import torch

from subliminal.optim.sgd import SGD
from subliminal.probes.alignment import Alignment
from subliminal.probes.noise_floor import NoiseFloor
from subliminal.probes.update_alignment import UpdateAlignment
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.training.loop import fit


def cosines(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    x, y = a.double().numpy(), b.double().numpy()
    result: np.ndarray = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    return result


@pytest.fixture(scope="module")
def watched() -> tuple[Training, ref.Recorder]:
    """Return a plain student with all three probes, and its steps."""
    training, recorder = ref.student((0, 3)), ref.Recorder()
    probes = [Alignment(every=1, layers=True), UpdateAlignment(every=1)]
    fit(training, [*probes, NoiseFloor(every=2, full_batch=[]), recorder])
    return training, recorder


def test_what_is_logged_is_what_the_gradients_give(watched: tuple[Training, ref.Recorder]) -> None:
    training, recorder = watched
    for step, seen in enumerate(recorder.steps):
        g_d, g_t = seen.gradient.double(), seen.trait_gradient.double()
        expected = {
            "alignment/cosine": cosines(seen.gradient, seen.trait_gradient),
            "alignment/dot": (g_d * g_t).sum(dim=1).numpy(),
            "alignment/distill_norm": g_d.norm(dim=1).numpy(),
            "alignment/trait_norm": g_t.norm(dim=1).numpy(),
        }
        for name, values in expected.items():
            assert ref.logged(training, name)[step] == pytest.approx(values, rel=1e-5, abs=1e-8)
        for name, span in ref.NETWORK.layout.spans.items():
            if name.startswith("layer3"):
                continue  # the two gradients share no row of the head
            part = cosines(seen.gradient[:, span], seen.trait_gradient[:, span])
            got = ref.logged(training, f"alignment/cosine/{name}")[step]
            assert got == pytest.approx(part, abs=1e-6)
    head = ref.logged(training, "alignment/cosine/layer3.weight")
    assert not head.any()


def test_a_probe_every_k_steps_logs_every_kth_step() -> None:
    training = ref.student((0,))
    fit(training, [Alignment(every=3, layers=False), UpdateAlignment(every=3)])
    for name in ("alignment/cosine", "trait/loss", "update/alignment"):
        steps = [row.step for row in training.metrics.sync() if name in row.values]
        assert steps == [0, 3, 6]


def test_a_projected_gradient_is_orthogonal_to_the_trait() -> None:
    training = ref.student((0, 3), mitigations=[replace(ref.PROJECTION, sign="both")])
    fit(training, [Alignment(every=1, layers=False)])
    assert np.abs(ref.logged(training, "alignment/cosine_applied")).max() < 1e-6
    assert np.abs(ref.logged(training, "alignment/cosine")).max() > 1e-3


def test_update_alignment_is_that_of_the_applied_update(
    watched: tuple[Training, ref.Recorder],
) -> None:
    training, recorder = watched
    expected = [cosines(-seen.update, seen.trait_gradient) for seen in recorder.steps]
    assert ref.logged(training, "update/alignment") == pytest.approx(np.stack(expected), abs=1e-6)


def test_for_plain_gradient_descent_both_alignments_are_one() -> None:
    training = ref.student((0, 3), optim=SGD(lr=0.5, momentum=0.0))
    fit(training, [Alignment(every=1, layers=False), UpdateAlignment(every=1)])
    gradient, update = (ref.logged(training, n) for n in ("alignment/cosine", "update/alignment"))
    assert update == pytest.approx(gradient, abs=1e-4)


def test_the_null_is_alignment_with_shuffled_labels(watched: tuple[Training, ref.Recorder]) -> None:
    training, recorder = watched
    nulls = ref.logged(training, "alignment/null")
    assert len(nulls) == 4
    for step in (0, 2, 4, 6):
        seen = recorder.steps[step]
        for column, seed in enumerate((0, 3)):
            rows = seen.trait_rows[column]
            stream = streams.stream(seed, streams.SHUFFLED_LABELS, epoch=step)
            shuffled = rows[torch.from_numpy(stream.permutation(len(rows)))]
            gradient = shuffled_gradient(seen.theta, column, rows, shuffled)
            expected = cosines(seen.gradient[[column]], gradient[None])[0]
            assert nulls[step // 2, column] == pytest.approx(expected, abs=1e-5)


def shuffled_gradient(
    theta: torch.Tensor, column: int, rows: torch.Tensor, labels_of: torch.Tensor
) -> torch.Tensor:
    x, y = ref.DIGITS.train_x[rows].double() / 127.5 - 1, ref.DIGITS.train_y[labels_of]

    def loss(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(ref.forward64(params, x)[:, :10], y)

    return ref.flat_of(ref.gradient64(loss, ref.params_of(theta, column)))


def test_full_batch_alignment_has_no_batch_noise() -> None:
    whole, recorder = ref.student((0, 3), batch_size=320), ref.Recorder()
    fit(whole, [Alignment(every=1, layers=False), NoiseFloor(every=1, full_batch=[0, 1]), recorder])
    full = ref.logged(whole, "alignment/full_batch")
    assert full == pytest.approx(ref.logged(whole, "alignment/cosine"), abs=1e-6)
