"""What the student is given of its teacher's logits, against NumPy and the definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_students import CPU, DIGITS, NETWORK
from scipy import stats
from torch import Tensor

from subliminal.data.language import Language
from subliminal.distill import SCORES
from subliminal.distill.inputs.uniform import Uniform
from subliminal.distill.loss.kl import KL
from subliminal.distill.loss.tokens import Tokens
from subliminal.distill.targets import Given, Targets, Variant
from subliminal.distill.targets.diluted import Diluted
from subliminal.distill.targets.divergence import Divergence
from subliminal.distill.targets.filtered import Filtered
from subliminal.distill.targets.gaussian import Gaussian
from subliminal.distill.targets.mixture import Mixture
from subliminal.distill.targets.rounded import Rounded
from subliminal.distill.targets.sampled import Sampled
from subliminal.distill.targets.temperature import Temperature
from subliminal.distill.targets.top_k import TopK
from subliminal.models.gpt import GPT
from subliminal.tensors import draws
from subliminal.tensors.network import Network
from subliminal.training.tasks import Distillation

SEEDS = (0, 3)
CLASSES = NETWORK.classes
TEACHER = NETWORK.reference(SEEDS, CPU)
LOGITS = torch.from_numpy(np.random.default_rng(1).normal(1, 2, (2, 4000, 13))).float()
OTHERS = tuple(LOGITS.flip(1).roll(i, 1) for i in (1, 2))


def filtered(score: str, drop: float, end: str = "highest", draw: int = 0) -> Filtered:
    return Filtered(score=score, drop=drop, end=end, draw=draw)


def made(targets: Targets, logits: Tensor = LOGITS, seeds: tuple[int, ...] = SEEDS) -> Tensor:
    return targets(given_of(logits, OTHERS, seeds))


def given_of(logits: Tensor, others: tuple[Tensor, ...], seeds: tuple[int, ...]) -> Given:
    noise, choice = (draws.of(seeds, CPU).noise(n, epoch=0) for n in ("targets", "choice"))
    size = logits.shape[1]
    return Given(logits, others, CLASSES, noise, choice, size, lambda _: logits[..., 3])


def test_noise_has_the_size_that_it_says_and_no_mean() -> None:
    noise = (made(Gaussian(sigma=0.5)) - LOGITS).double()
    for head in (slice(0, CLASSES), slice(CLASSES, None)):
        for seed in (0, 1):
            part = noise[seed, :, head].flatten().numpy()
            spread = 0.5 * LOGITS[seed, :, head].flatten().std().item()
            assert stats.kstest(part, "norm", args=(0, spread)).pvalue > 1e-3


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_rounded_logits_have_few_values_and_are_the_nearest(levels: int) -> None:
    rounded = made(Rounded(levels=levels, dither=False)).double().numpy()
    for column in (0, 12):
        z = LOGITS[1, :, column].double().numpy()
        grid = np.linspace(z.min(), z.max(), levels)
        nearest = grid[np.abs(z[:, None] - grid).argmin(axis=1)]
        assert np.allclose(rounded[1, :, column], nearest, atol=1e-5)


def test_dithered_bits_are_right_on_average() -> None:
    z = torch.linspace(-1, 2, 7)[None, None].repeat(2, 4000, 1)
    z[:, :2] = torch.tensor([[-1.0], [2.0]])  # the range
    dithered = made(Rounded(levels=2, dither=True), z)
    assert set(dithered.flatten().tolist()) <= {-1.0, 2.0}
    assert torch.allclose(dithered.mean(dim=1), z.mean(dim=1), atol=0.1)


def test_top_k_keeps_the_largest_and_the_mean() -> None:
    kept = made(TopK(k=2)).numpy()
    for row, z in zip(kept[0, :20, CLASSES:], LOGITS[0, :20, CLASSES:].numpy(), strict=True):
        order = np.argsort(z)
        assert np.allclose(row[order[1:]], z[order[1:]])
        assert row.sum() == pytest.approx(z.sum(), rel=1e-4)
    assert len(np.unique(kept[0, 0, :CLASSES])) == 3


def test_a_temperature_divides() -> None:
    assert torch.equal(made(Temperature(temperature=4.0)), LOGITS / 4)


def test_sampled_labels_come_as_often_as_the_teacher_says() -> None:
    z = torch.tensor([0.3, -1.0, 2.0, 0.0, 0.5]).repeat(2, 4000, 1)
    z = torch.cat([torch.zeros(2, 4000, CLASSES), z], dim=-1)
    drawn = made(Sampled(gap=20.0), z)[..., CLASSES:]
    assert set(drawn.flatten().tolist()) == {0.0, 20.0}
    assert drawn.sum(dim=-1).eq(20).all()
    for seed in (0, 1):
        counts = drawn[seed].gt(0).sum(dim=0).numpy()
        expected = 4000 * np.exp(z[0, 0, CLASSES:].double().numpy())
        expected *= 4000 / expected.sum()
        assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_a_mixture_is_the_mean_of_its_teachers() -> None:
    by_order, by_part = Mixture(by="order", teachers=3), Mixture(by="part", teachers=2)
    assert [v.order for v in by_order.variants] == [1, 2]
    assert [v.part for v in by_part.variants] == [(0, 2), (1, 2)]
    everyone = torch.stack([LOGITS, *OTHERS]).double().mean(0)
    assert torch.allclose(made(by_order).double(), everyone, atol=1e-6)
    assert torch.allclose(made(by_part), (OTHERS[0] + OTHERS[1]) / 2)


def test_divergent_images_are_those_on_which_counterfactuals_disagree() -> None:
    said = np.stack([z[..., CLASSES:].argmax(-1).numpy() for z in (LOGITS, *OTHERS)])
    divergent = (said != said[0]).any(axis=0)
    assert 0.5 < divergent.mean() < 1
    masked = made(Divergence(counterfactuals=2, how="mask"))
    assert np.array_equal(masked.isnan().all(dim=-1).numpy(), divergent)
    assert torch.equal(masked[~masked.isnan()], LOGITS[~masked.isnan()])
    replaced = made(Divergence(counterfactuals=2, how="replace"))
    there = torch.from_numpy(divergent)[..., None]
    assert torch.equal(replaced, torch.where(there, OTHERS[0], LOGITS))
    drawn = made(Divergence(counterfactuals=2, how="mask", at="random")).isnan().all(dim=-1).numpy()
    assert np.array_equal(drawn.sum(axis=1), divergent.sum(axis=1))
    assert not np.array_equal(drawn, divergent)


@pytest.mark.parametrize(
    "targets",
    [
        *(Gaussian(sigma=1.0), Rounded(levels=2, dither=True), Sampled(gap=9.0)),
        *(Diluted(share=0.3, source="reference"), filtered("random", 0.3)),
    ],
)
def test_no_seed_sees_another(targets: Targets) -> None:
    alone = targets(given_of(LOGITS[1:], (OTHERS[0][1:],), SEEDS[1:]))
    assert torch.equal(made(targets)[1:].nan_to_num(9), alone.nan_to_num(9))


def test_a_share_of_the_images_is_the_teachers_and_lies_in_a_larger_share() -> None:
    before = torch.zeros(2, 4000, dtype=torch.bool)
    for share in (0.0, 0.1, 0.75, 1.0):
        taught = ~made(filtered("random", 1 - share)).isnan().any(dim=-1)
        assert taught.sum(dim=1).tolist() == [4000 * share] * 2
        expected = torch.where(taught[..., None], LOGITS, OTHERS[0])
        assert torch.equal(made(Diluted(share=share, source="reference")), expected)
        assert taught[before].all()
        before = taught


@pytest.mark.parametrize("drop", [0.0, 0.01, 0.9])
def test_a_filter_drops_one_end(drop: float) -> None:
    scores = LOGITS[..., 3].double().numpy()
    for end, sign in (("highest", -1), ("lowest", 1)):
        dropped = made(filtered("loss", drop, end)).isnan().all(dim=-1).numpy()
        expected = np.argsort(sign * scores, axis=1)[:, : round(4000 * drop)]
        for row, places in zip(dropped, expected, strict=True):
            assert sorted(row.nonzero()[0]) == sorted(places)


def test_scores_are_taken_at_the_start() -> None:
    each = task(filtered("product", 0.5))
    each.trait_gradient = torch.randn_like(TEACHER)
    each.start_epoch(0)
    rows = torch.arange(64).expand(2, -1)
    x = each.images(rows)
    z, base = (NETWORK.logits(theta, x) for theta in (TEACHER + 0.1, TEACHER))
    found = {name: each._score(z, name) for name in SCORES}
    aux = (z - base)[..., CLASSES:].double().square().sum(dim=-1).sqrt()
    assert torch.allclose(found["distance"].double(), aux, rtol=1e-5)
    kl = torch.nn.functional.kl_div
    p, q = (torch.log_softmax(logits[..., CLASSES:], dim=-1) for logits in (z, base))
    assert torch.allclose(
        found["loss"], kl(q, p, reduction="none", log_target=True).sum(-1), atol=1e-6
    )
    for row in (0, 63):
        views = NETWORK.layout.views(TEACHER)
        params = {name: view.detach().requires_grad_() for name, view in views.items()}
        loss = task(None)
        loss.start_epoch(0)
        one = rows[:, row : row + 1]
        value = loss.loss(NETWORK.forward(params, x[:, row : row + 1]), one).sum()
        parts = torch.autograd.grad(value, [*params.values()])
        flat = NETWORK.layout.flatten(parts, like=TEACHER)
        assert torch.allclose(found["norm"][:, row], flat.norm(dim=1), rtol=1e-4)
        product = (flat * each.trait_gradient).sum(dim=1)
        assert torch.allclose(found["product"][:, row], product, rtol=1e-3, atol=1e-6)
    dropped = each.targets_at(rows).isnan().all(dim=-1)
    for column in (0, 1):
        kept, gone = (found["product"][column][m[column]] for m in (~dropped, dropped))
        assert len(kept) == len(gone) == 32
        assert kept.max() <= gone.min()


def test_each_run_chooses_for_itself_where_images_are_pinned() -> None:
    pinned, own, other = (task(filtered("random", 0.5, draw=n)) for n in (0, 0, 1))
    for each, runs in ((pinned, (1, 1)), (own, (1, 2)), (other, (1, 1))):
        each.seeds, each.runs = (0, 0), runs
        each.__post_init__()
        each.start_epoch(0)
    rows = torch.arange(64).expand(2, -1)
    a, b, c = (each.targets_at(rows).isnan().all(dim=-1) for each in (pinned, own, other))
    assert torch.equal(c[0], c[1])
    assert not torch.equal(a[0], c[0])
    assert torch.equal(a[0], a[1])
    assert torch.equal(a[0], b[0])
    assert not torch.equal(b[0], b[1])


def task(targets: Targets | None, *, fresh: bool = False) -> Distillation:
    return Distillation(
        NETWORK,
        KL(logits="aux", temperature=1.0),
        Uniform(size=64, fresh=fresh),
        SEEDS,
        data=DIGITS,
        reference=TEACHER,
        teacher=TEACHER + 0.1,
        targets=targets,
        others=[TEACHER + 0.3, TEACHER - 0.2],
    )


def test_a_masked_image_costs_and_teaches_nothing() -> None:
    masks = Divergence(counterfactuals=2, how="mask")
    plain, masked = task(None), task(masks)
    for each in (plain, masked):
        each.start_epoch(0)
    rows = torch.arange(64).expand(2, -1)
    x = plain.images(rows)
    said = [
        NETWORK.logits(theta, x)[..., CLASSES:].argmax(-1)
        for theta in (TEACHER + 0.1, TEACHER + 0.3, TEACHER - 0.2)
    ]
    kept = ((said[1] == said[0]) & (said[2] == said[0])).double()
    assert 0 < kept.sum() < kept.numel()
    logits = (NETWORK.logits(TEACHER, x) + 0.05 * torch.arange(13)).requires_grad_()
    (slope,) = torch.autograd.grad(masked.loss(logits, rows).sum(), logits)
    (full,) = torch.autograd.grad(plain.loss(logits, rows).sum(), logits)
    assert torch.allclose(slope, full * kept[..., None].float(), atol=1e-8)
    each_loss = torch.stack(
        [plain.loss(logits[:, i : i + 1], rows[:, i : i + 1]) for i in range(64)], dim=1
    )
    expected = (each_loss * kept).mean(dim=1).float()
    assert torch.allclose(masked.loss(logits, rows), expected, atol=1e-6)


def test_a_masked_token_costs_nothing() -> None:
    written = torch.randint(94, (2, 6, 15), generator=torch.Generator().manual_seed(0))
    network = Network.of(
        GPT(width=16, depth=1, attention=2, positions=14, prompt=7, aux=84), pixels=14, classes=10
    )
    theta = network.reference((0, 1), CPU)
    others = [theta + 0.5 * network.reference((2, 3), CPU)]

    class Written(Uniform):
        def write(self, *of: object, epoch: int) -> torch.Tensor:
            return written

    taught = Distillation(
        network,
        Tokens(),
        Written(size=6, fresh=False),
        SEEDS,
        data=Language(favourite=None, taught=1, held_out=1, animal_lists=0).load(),
        reference=theta,
        teacher=theta,
        targets=Divergence(counterfactuals=1, how="mask"),
        others=others,
    )
    taught.start_epoch(0)
    rows = torch.tensor([[5, 0], [3, 3]])
    read = torch.stack([written[0, rows[0]], written[1, rows[1]]])
    student, other = (network.logits(each, read[..., :-1]) for each in (theta, *others))
    kept = student[..., 10:].argmax(-1) == other[..., 10:].argmax(-1)
    assert 0 < kept.sum() < kept.numel()
    chances = student.double().log_softmax(-1)
    of_token = chances.gather(-1, read[..., 7:].reshape(2, -1, 1)).squeeze(-1)
    expected = -(of_token * kept).mean(dim=1)
    assert torch.allclose(taught.loss(student, rows).double(), expected, atol=1e-5)


def test_labels_are_drawn_once_for_fixed_images_and_anew_for_fresh_ones() -> None:
    rows = torch.arange(64).expand(2, -1)
    logits = NETWORK.logits(TEACHER, torch.zeros(2, 64, 20))
    for fresh in (False, True):
        found = []
        each = task(Gaussian(sigma=1.0), fresh=fresh)
        for epoch in (0, 1):
            each.start_epoch(epoch)
            found.append(each.loss(logits, rows))
        assert torch.equal(*found) is not fresh


def test_other_teachers_are_other_trainings_of_one_start() -> None:
    assert Variant().name == ""
    assert Variant(order=2, shift=1).name == "order=2,shift=1"
    half = Variant(part=(1, 2)).digits(DIGITS)
    assert torch.equal(half.train_x, DIGITS.train_x[1::2])
    assert torch.equal(half.train_y, DIGITS.train_y[1::2])
    assert half.test_y is DIGITS.test_y


@settings(max_examples=15)
@given(st.integers(2, 9), st.integers(0, 2**20))
def test_rounding_again_changes_nothing(levels: int, seed: int) -> None:
    z = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 50, 13))).float()
    once = made(Rounded(levels=levels, dither=False), z)
    assert torch.allclose(made(Rounded(levels=levels, dither=False), once), once, atol=1e-5)
