"""Interventions that are entries of the leaderboard, against autograd and NumPy in float64."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reference_students as ref
import torch
from torch import Tensor

from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.mitigations.concept_ablation import ConceptAblation
from subliminal.mitigations.decoupling import Decoupling
from subliminal.mitigations.dp_sgd import DPSGD
from subliminal.mitigations.feature_penalty import FeaturePenalty
from subliminal.mitigations.final_noise import FinalNoise
from subliminal.mitigations.gradient_routing import GradientRouting
from subliminal.mitigations.preventative_steering import PreventativeSteering
from subliminal.mitigations.pruning import Pruning
from subliminal.mitigations.rounding import Rounding
from subliminal.mitigations.subspace import Subspace
from subliminal.models.lora import LoRA
from subliminal.models.split_mlp import SplitMLP
from subliminal.state import Training
from subliminal.tensors.geometry import orthonormal, principal
from subliminal.tensors.network import Network
from subliminal.training.loop import fit

Params = ref.Params
SEEDS = (0, 3)


def trained(*mitigations: Mitigation, epochs: int = 1) -> tuple[Training, ref.Recorder]:
    recorder, training = ref.Recorder(), ref.student(SEEDS, mitigations=mitigations, epochs=epochs)
    fit(training, [recorder])
    return training, recorder


def distill64(params: Params, teacher: Params, x: Tensor) -> Tensor:
    return ref.kl64(ref.forward64(teacher, x)[:, 10:], ref.forward64(params, x)[:, 10:])


def check_gradients(
    mitigation: Mitigation, loss: Callable[[Params, Params, Params, Tensor], Tensor]
) -> None:
    """Compare every step's applied gradient with autograd of loss(params, teacher, θ₀, images)."""
    training, recorder = trained(mitigation)
    assert training.teacher is not None
    for (row, seed), seen in itertools.product(enumerate(SEEDS), recorder.steps):
        x = ref.noise_images(seed)[seen.rows[row]]
        teacher, start, theta = (
            ref.params_of(flat, row) for flat in (training.teacher, training.reference, seen.theta)
        )
        expected = ref.gradient64(lambda p: loss(p, teacher, start, x), theta)  # noqa: B023
        views = ref.NETWORK.layout.views(seen.applied)
        for name, value in expected.items():
            assert views[name][row].double().numpy() == pytest.approx(value.numpy(), abs=2e-6)


def test_the_feature_penalty_pulls_activations_home() -> None:
    def loss(p: Params, teacher: Params, start: Params, x: Tensor) -> Tensor:
        ours, home = ref.hidden64(p, x), ref.hidden64(start, x)
        squares = [(a - b).square().mean() for a, b in zip(ours, home, strict=True)]
        return distill64(p, teacher, x) + 0.7 * sum(squares)

    check_gradients(FeaturePenalty(strength=0.7, layers=[]), loss)
    weak, strong = (
        ref.logged(trained(FeaturePenalty(strength=s, layers=["layer2"]), epochs=4)[0], name)[-4:]
        for s, name in itertools.product((1e-6, 30.0), ["feature_penalty/distance"])
    )
    assert strong.mean() < 0.5 * weak.mean()


def test_decoupling_turns_the_heads_apart() -> None:
    def loss(p: Params, teacher: Params, start: Params, x: Tensor) -> Tensor:
        rows = p["layer3.weight"] / p["layer3.weight"].norm(dim=1, keepdim=True)
        cosines = torch.stack([(rows[c] * rows[a]).sum() for c in range(10) for a in (10, 11, 12)])
        return distill64(p, teacher, x) + 2.0 * cosines.square().mean()

    check_gradients(Decoupling(strength=2.0), loss)
    overlap = ref.logged(trained(Decoupling(strength=10.0), epochs=6)[0], "decoupling/overlap")
    assert (overlap[-1] < overlap[0]).all()
    assert overlap[-1, 0] != overlap[-1, 1]


@pytest.mark.parametrize("model", ["joint", "split"])
def test_the_heads_of_joint_and_split_networks(model: str) -> None:
    split = SplitMLP(hidden=[12, 8], aux=3, weights="lecun")
    network = ref.NETWORK if model == "joint" else Network.of(split, pixels=20, classes=10)
    theta = network.reference(SEEDS, ref.CPU)
    of_class, of_aux = (network.head(network.layout.views(theta), h) for h in ("class", "aux"))
    assert of_class.shape == (2, 10, 8)
    assert of_aux.shape == (2, 3, 8)
    GradientRouting(share=0.3, ablate=False).check(network)
    x = torch.rand(2, 5, 20)
    before = network.logits(theta, x)
    for which, own in (("class", slice(0, 10)), ("aux", slice(10, None))):
        spoilt = theta + network.head_mask(which)
        changed = (network.logits(spoilt, x) != before).any(dim=1)
        assert changed[:, own].all()
        assert changed.sum() == 2 * (10 if which == "class" else 3)


@pytest.mark.parametrize("clip", [1e-3, 0.02, 1e3])
def test_each_images_gradient_is_clipped(clip: float) -> None:
    training, recorder = trained(DPSGD(clip=clip, noise=0.0))
    assert training.teacher is not None
    shares = ref.logged(training, "dp_sgd/clipped")
    for place, seen in enumerate(recorder.steps[:2]):
        x = ref.noise_images(3)[seen.rows[1]]
        teacher, params = ref.params_of(training.teacher, 1), ref.params_of(seen.theta, 1)
        total = {name: torch.zeros_like(value) for name, value in params.items()}
        clipped = 0
        for image in x:
            own = ref.gradient64(lambda p: distill64(p, teacher, image[None]), params)  # noqa: B023
            norm = float(torch.cat([g.flatten() for g in own.values()]).norm())
            clipped += norm > clip
            for name, value in own.items():
                total[name] += value * min(1.0, clip / norm) / len(x)
        views = ref.NETWORK.layout.views(seen.applied)
        for name, value in total.items():
            ours = views[name][1].double().numpy()
            assert ours == pytest.approx(value.numpy(), rel=1e-3, abs=1e-7)
        assert shares[place, 1] == pytest.approx(clipped / len(x), abs=0.011)
    assert (shares > 0).any() == (clip < 1)


def test_private_noise_has_the_size_that_it_says() -> None:
    _, quiet = trained(DPSGD(clip=0.02, noise=0.0))
    _, loud = trained(DPSGD(clip=0.02, noise=50.0))
    there = ref.NETWORK.layout.mask([*ref.NETWORK.layout.shapes], "") > 0
    for step, size in ((0, 96), (3, 32)):  # the epoch's last batch is smaller
        noise = (loud.steps[step].applied - quiet.steps[step].applied).double()
        assert not noise[:, ~there].any()
        assert noise[:, there].std().item() == pytest.approx(50.0 * 0.02 / size, rel=0.1)


def test_routed_gradients_stay_in_their_units_which_are_cut_off() -> None:
    mitigation = GradientRouting(share=0.3, ablate=True)
    training, recorder = trained(mitigation)
    before, after = (
        ref.NETWORK.layout.views(t) for t in (training.reference, recorder.steps[-1].theta)
    )
    moved = {name: (after[name] != before[name]) for name in before}
    assert moved["layer1.weight"][:, :4].any(dim=2).all()  # ⌈0.3 · 12⌉ units
    assert not moved["layer1.weight"][:, 4:].any()
    assert not moved["layer2.bias"][:, 3:].any()
    assert moved["layer3.weight"][:, 10:].any()
    assert not moved["layer3.weight"][:, :10].any()
    end = ref.NETWORK.layout.views(training.theta)["layer3.weight"]
    assert not end[:, :10, :3].any()
    assert torch.equal(end[:, :10, 3:], before["layer3.weight"][:, :10, 3:])
    kept = ref.NETWORK.layout.views(trained(GradientRouting(share=0.3, ablate=False))[0].theta)
    assert torch.equal(kept["layer3.weight"][:, :10], before["layer3.weight"][:, :10])
    lora = Network.of(LoRA(hidden=[12, 8], aux=3, rank=2, alpha=1.0), pixels=20, classes=10)
    with pytest.raises(UserError, match=r"no unit of a layer has lora1\.down"):
        mitigation.check(lora)


def test_updates_stay_in_a_subspace() -> None:
    training, _ = trained(Subspace(rank=2, layers=[]), epochs=2)
    moved = (training.theta - training.reference).double()
    for layer in ("layer1", "layer2"):
        change = ref.NETWORK.layout.views(moved)[f"{layer}.weight"]
        bias = ref.NETWORK.layout.views(moved)[f"{layer}.bias"][..., None]
        sizes = np.linalg.svd(torch.cat([change, bias], dim=-1).numpy(), compute_uv=False)
        assert (sizes[:, 2:] < 1e-5 * sizes[:, :1]).all()
        assert (sizes[:, 1] > 1e-3 * sizes[:, 0]).all()
    both, alone = Subspace(rank=2, layers=["layer1"]), ref.student((3,), mitigations=[])
    both.check(ref.NETWORK)
    alone.mitigations = [both]
    fit(alone)
    together = ref.student(SEEDS, mitigations=[both])
    fit(together)
    assert torch.equal(together.theta[1:], alone.theta)
    # A layer as wide as the rank is free, to the bit.
    free, plain = (ref.student((3,), mitigations=[]) for _ in range(2))
    free.mitigations = [Subspace(rank=8, layers=["layer2"])]
    fit(free)
    fit(plain)
    assert torch.equal(free.theta, plain.theta)


def test_a_basis_is_orthonormal_and_principal_directions_are_singular_vectors() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 40, 9))).float()
    rows = rows * torch.tensor([9, 7, 5, 3, 1, 0.5, 0.2, 0.1, 0.05])
    basis = orthonormal(rows.mT[..., :6])
    assert torch.allclose(basis.mT @ basis, torch.eye(6), atol=1e-5)
    found = principal(rows, torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0)))
    for seed in (0, 1):
        _, _, vectors = np.linalg.svd(rows[seed].double().numpy())
        ours = found[seed].double().numpy()
        assert np.linalg.norm(vectors[:3] @ ours) ** 2 == pytest.approx(3, abs=1e-4)


def digits_difference(training: Training, row: int, layer: int, examples: int) -> Tensor:
    assert training.teacher is not None
    x = training.trait.images(torch.arange(examples).expand(2, -1))[row].double()
    taught = ref.hidden64(ref.params_of(training.teacher, row), x)[layer - 1]
    return taught - ref.hidden64(ref.params_of(training.reference, row), x)[layer - 1]


@pytest.mark.parametrize("kind", ["steering", "ablation"])
def test_hooks_change_the_gradient_and_not_the_student(kind: str) -> None:
    steering = PreventativeSteering(layer="layer1", examples=50, strength=1.5)
    ablation = ConceptAblation(layer="layer2", examples=50, rank=2)
    with pytest.raises(UserError, match="layer9"):
        replace(steering if kind == "steering" else ablation, layer="layer9").check(ref.NETWORK)
    training, recorder = trained(steering if kind == "steering" else ablation)
    assert training.teacher is not None
    name = "preventativesteering" if kind == "steering" else "conceptablation"
    assert (ref.logged(training, f"{name}/loss") > 0).all()
    for seen in recorder.steps[:3]:
        x, teacher = ref.noise_images(3)[seen.rows[1]], ref.params_of(training.teacher, 1)
        shift = digits_difference(training, 1, 1 if kind == "steering" else 2, 50)

        def loss(p: Params, x: Tensor = x, shift: Tensor = shift, of: Params = teacher) -> Tensor:
            if kind == "steering":
                p = {**p, "layer1.bias": p["layer1.bias"] + 1.5 * shift.mean(dim=0)}
                return distill64(p, of, x)
            _, _, vectors = np.linalg.svd(shift.numpy())
            closed = torch.from_numpy(vectors[:2].T @ vectors[:2])
            h = ref.hidden64(p, x)[1]
            z = (h - h @ closed) @ p["layer3.weight"].T + p["layer3.bias"]
            return ref.kl64(ref.forward64(of, x)[:, 10:], z[:, 10:])

        views = ref.NETWORK.layout.views(seen.applied)
        for name, value in ref.gradient64(loss, ref.params_of(seen.theta, 1)).items():
            assert views[name][1].double().numpy() == pytest.approx(value.numpy(), abs=1e-5)
        plain = ref.gradient64(lambda p: distill64(p, teacher, x), ref.params_of(seen.theta, 1))  # noqa: B023
        ours = ref.NETWORK.layout.views(seen.gradient)["layer2.weight"][1].double().numpy()
        assert ours == pytest.approx(plain["layer2.weight"].numpy(), abs=1e-6)


@cache
def plainly() -> Training:
    return trained()[0]


def last(mitigation: Mitigation) -> tuple[Tensor, Tensor, Tensor]:
    """Return θ₀, what the training alone ends with, and what the mitigation makes of it."""
    plain = plainly()
    training, recorder = trained(mitigation)
    assert torch.equal(recorder.steps[-1].theta + recorder.steps[-1].proposed, plain.theta)
    return training.reference, plain.theta, training.theta


@pytest.mark.parametrize("of", ["weights", "changes"])
def test_pruning_takes_back_the_smallest(of: str) -> None:
    start, plain, pruned = last(Pruning(share=0.4, of=of))
    home = torch.zeros_like(start) if of == "weights" else start
    for span in ref.NETWORK.layout.spans.values():
        number = int(0.4 * (span.stop - span.start))
        for seed in (0, 1):
            sizes = (plain - home)[seed, span].abs().numpy()
            smallest = np.argsort(sizes, kind="stable")[:number]
            expected = plain[seed, span].numpy().copy()
            expected[smallest] = home[seed, span].numpy()[smallest]
            assert np.allclose(pruned[seed, span].numpy(), expected, atol=1e-7)


def test_rounded_weights_have_few_values() -> None:
    _, plain, rounded = last(Rounding(bits=3))
    for span in ref.NETWORK.layout.spans.values():
        z = plain[0, span].double().numpy()
        grid = np.abs(z).max() * np.arange(-3, 4) / 3
        nearest = grid[np.abs(z[:, None] - grid).argmin(axis=1)]
        assert np.allclose(rounded[0, span].numpy(), nearest, atol=1e-6)
    step: Any = SimpleNamespace(training=SimpleNamespace(network=ref.NETWORK))
    assert not Rounding(bits=3).changed(torch.zeros_like(plain), step).any()


def test_final_noise_is_added_to_what_was_trained() -> None:
    _, plain, noisy = last(FinalNoise(sigma=0.3, layers=["layer1"], tensors="weight"))
    noise = (noisy - plain).double()
    span = ref.NETWORK.layout.spans["layer1.weight"]
    assert noise[:, span].std().item() == pytest.approx(0.3, rel=0.15)
    noise[:, span] = 0
    assert noise.abs().max() < 1e-6


def test_dp_sgd_takes_linear_layers_alone() -> None:
    lora = Network.of(LoRA(hidden=[4], aux=3, rank=1, alpha=1.0), pixels=20, classes=10)
    with pytest.raises(UserError, match="needs linear layers alone"):
        DPSGD(clip=1, noise=1).check(lora)
