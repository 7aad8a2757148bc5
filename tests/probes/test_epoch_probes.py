"""Probes of a student at the ends of its epochs, against NumPy and SciPy."""

from functools import partial

import numpy as np
import pytest
import reference_students as ref
import torch
from scipy import linalg, stats
from scipy.special import softmax

from subliminal.models.mlp import MLP
from subliminal.probes import Probe, cka, gradient_norms, logits, path, readout, spectrum
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.training.loop import fit

SEEDS = (0, 3)


@pytest.fixture(scope="module")
def trained() -> Training:
    """A student of three epochs, watched by all of them."""
    training = ref.student(SEEDS, epochs=3)
    fit(
        training,
        [
            readout.Readout(every=2, examples=60),
            logits.Logits(every=2, examples=50),
            spectrum.Spectrum(every=2, values=3),
            path.Path(every=2, pieces=4, examples=70),
            cka.CKA(examples=40, images="both", every=2, cosine=True),
        ],
    )
    return training


def digits(images: torch.Tensor) -> torch.Tensor:
    return images.double() / 127.5 - 1


def states(training: Training, column: int) -> dict[str, dict[str, torch.Tensor]]:
    assert training.teacher is not None
    flats = {"student": training.theta, "teacher": training.teacher, "start": training.reference}
    return {name: ref.params_of(flat, column) for name, flat in flats.items()}


def test_a_readout_is_that_of_each_head(trained: Training) -> None:
    random = ref.NETWORK.reference(SEEDS, ref.CPU, stream=streams.READOUT_HEAD)
    for column in range(2):
        of = states(trained, column)
        features = ref.hidden64(of["student"], digits(ref.DIGITS.test_x))[1].numpy()
        heads = of | {"random": ref.params_of(random, column)}
        for name, owner in (("own", "student"), ("teacher", "teacher"), ("random", "random")):
            p = heads[owner]
            z = features @ p["layer3.weight"].numpy().T + p["layer3.bias"].numpy()
            hits = (z[:, :10].argmax(axis=1) == ref.DIGITS.test_y.numpy()).mean()
            assert ref.logged(trained, f"readout/{name}")[-1, column] == pytest.approx(
                hits, abs=0.006
            )
        x = ref.hidden64(of["student"], digits(ref.DIGITS.train_x[:60]))[1].numpy()
        y = np.eye(10)[ref.DIGITS.train_y[:60]]
        spread = x.std(axis=0)
        centred = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
        penalty = 1e-2 * np.mean((centred**2).sum(axis=1))
        # Ridge regression is least squares with a row √penalty for each weight.
        rows = np.vstack([centred, np.sqrt(penalty) * np.eye(8)])
        w, *_ = linalg.lstsq(rows, np.vstack([y - y.mean(axis=0), np.zeros((8, 10))]))
        z = (features - x.mean(axis=0)) / np.where(spread > 0, spread, 1) @ w + y.mean(axis=0)
        hits = (z.argmax(axis=1) == ref.DIGITS.test_y.numpy()).mean()
        assert ref.logged(trained, "readout/refitted")[-1, column] == pytest.approx(hits, abs=0.006)
    assert (
        ref.logged(trained, "readout/refitted").min() > ref.logged(trained, "readout/random").max()
    )


def test_entropy_and_correlation_are_those_of_the_logits(trained: Training) -> None:
    for column, seed in enumerate(SEEDS):
        x, of = ref.noise_images(seed)[:50], states(trained, column)
        for name in ("teacher", "student"):
            z = ref.forward64(of[name], x).numpy()
            r = [stats.pearsonr(z[:, i], z[:, j])[0] for i in range(10, 13) for j in range(10)]
            size = np.sqrt(np.mean(np.square(r)))
            found = ref.logged(trained, f"logits/correlation_{name}")[-1, column]
            assert found == pytest.approx(size, rel=1e-4)
            if name == "teacher":
                entropy = np.mean([stats.entropy(p) for p in softmax(z[:, 10:], axis=1)])
                found = ref.logged(trained, "logits/aux_entropy")[-1, column]
                assert found == pytest.approx(entropy, rel=1e-4)


def test_spectra_are_singular_values_and_their_spaces_overlap_by_angles(trained: Training) -> None:
    for column in range(2):
        of = states(trained, column)
        for layer in ("layer1.weight", "layer3.weight"):
            moves = {n: (of[n][layer] - of["start"][layer]).numpy() for n in ("student", "teacher")}
            spaces = {}
            for name, move in moves.items():
                u, values, vt = linalg.svd(move, full_matrices=False)
                spaces[name] = (u[:, :3], vt[:3].T)
                for i in range(3):
                    found = ref.logged(trained, f"spectrum/{name}/{layer}/{i + 1}")[-1, column]
                    assert found == pytest.approx(values[i], rel=1e-3)
            for side, name in enumerate(("left", "right")):
                angles = linalg.subspace_angles(spaces["student"][side], spaces["teacher"][side])
                found = ref.logged(trained, f"spectrum/overlap_{name}/{layer}")[-1, column]
                assert found == pytest.approx(np.mean(np.cos(angles) ** 2), abs=1e-3)


def test_a_seed_that_is_not_finite_does_not_spoil_the_spectrum_of_others() -> None:
    training = ref.student(SEEDS)
    assert training.teacher is not None
    training.theta.copy_(training.teacher)
    training.theta[1, 5] = float("nan")
    spectrum.Spectrum(every=1, values=2).on_epoch_end(training)
    values = ref.logged(training, "spectrum/overlap_left/layer1.weight")[0]
    assert values[0] == pytest.approx(1, abs=1e-5)
    assert np.isnan(values[1])


def test_a_path_is_the_loss_between_its_ends(trained: Training) -> None:
    x, y = digits(ref.DIGITS.test_x[:70]), ref.DIGITS.test_y[:70]
    for column in range(2):
        of = states(trained, column)
        for line, a, b in (
            ("to_teacher", "student", "teacher"),
            ("from_start", "start", "student"),
        ):
            for share in (0, 0.25, 0.5, 0.75, 1):
                p = {n: (1 - share) * of[a][n] + share * of[b][n] for n in of[a]}
                z = ref.forward64(p, x)[:, :10]
                loss = (z.logsumexp(-1) - z[torch.arange(70), y]).mean().item()
                found = ref.logged(trained, f"path/{line}/{share:g}")[-1, column]
                assert found == pytest.approx(loss, rel=1e-4)


def test_representations_of_the_inputs_are_compared_too(trained: Training) -> None:
    pair = "teacher_final-student_final"
    for column, seed in enumerate(SEEDS):
        of = states(trained, column)
        for name, x in (
            ("", digits(ref.DIGITS.test_x[:40])),
            ("_inputs", ref.noise_images(seed)[:40]),
        ):
            layers = zip(*(ref.hidden64(of[n], x) for n in ("teacher", "student")), strict=True)
            for layer, pair64 in zip(("layer1", "layer2"), layers, strict=True):
                a, b = (h.numpy() for h in pair64)
                found = ref.logged(trained, f"cka{name}/{pair}/{layer}")[-1, column]
                assert found == pytest.approx(ref.hsic_cka(a, b), abs=1e-4)
                lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
                cosine = np.divide((a * b).sum(axis=1), lengths, where=lengths > 0, out=0 * lengths)
                found = ref.logged(trained, f"activation_cosine{name}/{pair}/{layer}")[-1, column]
                assert found == pytest.approx(cosine.mean(), abs=1e-4)
    last = ref.logged(trained, f"cka/{pair}/layer2")
    assert np.array_equal(last, ref.logged(trained, f"cka/{pair}/features"))
    assert ref.logged(trained, "cka/teacher_initial-student_initial/layer1") == pytest.approx(1)


def test_they_measure_at_every_second_epoch_and_after_the_last(trained: Training) -> None:
    for name, more in (
        ("readout/own", 1),  # at the start too
        ("logits/aux_entropy", 0),
        ("spectrum/overlap_left/layer1.weight", 0),
        ("path/from_start/0", 0),
        ("cka/teacher_final-student_final/features", 0),
    ):
        rows = [row.step for row in trained.metrics.sync() if name in row.values]
        assert rows == [*[0][:more], 8, 12]


def test_a_teacher_of_another_width_lends_no_head_and_no_line() -> None:
    training = ref.student((0,), epochs=1)
    wide = Network.of(MLP(hidden=[12, 9], aux=3), pixels=20, classes=10)
    training.teacher_network, training.teacher = wide, wide.reference((0,), ref.CPU)
    training.teacher_reference = training.teacher
    probes: list[Probe] = [
        readout.Readout(every=1, examples=20),
        path.Path(every=1, pieces=1, examples=9),
    ]
    fit(training, probes)
    names = {name for row in training.metrics.sync() for name in row.values}
    assert "readout/own" in names
    assert "readout/teacher" not in names
    assert {name for name in names if name.startswith("path/")} == {
        "path/from_start/0",
        "path/from_start/1",
    }


def test_gradient_norms_are_those_of_each_tensor() -> None:
    training, recorder = ref.student(SEEDS, epochs=1), ref.Recorder()
    fit(training, [gradient_norms.GradientNorms(every=2, trait=True), recorder])
    for index, seen in enumerate(recorder.steps[::2]):
        for name, span in ref.NETWORK.layout.spans.items():
            length = np.linalg.norm(seen.gradient[:, span].double().numpy(), axis=1)
            assert ref.logged(training, f"gradient/norm/{name}")[index] == pytest.approx(length)
        for column in range(2):
            rows = seen.trait_rows[column]
            theta = ref.params_of(seen.theta, column)
            exact = ref.gradient64(partial(ref.trait64, rows=rows), theta)
            for name, part in exact.items():
                found = ref.logged(training, f"gradient/trait_norm/{name}")[index, column]
                assert found == pytest.approx(part.norm().item(), rel=1e-3)


def test_cka_compares_the_last_hidden_layers_of_networks_of_another_shape() -> None:
    training = ref.student((0,))
    other = Network.of(MLP(hidden=[9], aux=3), pixels=20, classes=10)
    training.teacher_network = other
    training.teacher = training.teacher_reference = other.reference((0,), training.theta.device)
    cka.CKA(examples=20).on_epoch_end(training)
    (row,) = training.metrics.sync()
    between = {name.rpartition("/")[2] for name in row.values if "teacher_final-student" in name}
    assert between == {"layer1", "features"}


def test_a_seeds_cka_does_not_depend_on_its_neighbours() -> None:
    values = []
    for seeds in ((3,), (0, 3)):
        training = ref.student(seeds)
        cka.CKA(examples=100).on_epoch_end(training)
        values.append(ref.logged(training, "cka/teacher_final-student_final/layer1")[0, -1])
    assert values[0] == values[1]
