"""Optimizers against their papers' equations in float64, and on stacks."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from subliminal.errors import UserError
from subliminal.optim import Optim
from subliminal.optim.adam import Adam
from subliminal.optim.preconditioned_sgd import PreconditionedSGD
from subliminal.optim.rmsprop import RMSprop
from subliminal.optim.sgd import SGD
from subliminal.optim.sign_sgd import SignSGD

Array = np.ndarray
GRADIENTS = np.random.default_rng(0).normal(size=(12, 3, 16)).astype(np.float32)
START = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)


def adam(theta: Array, decay: float = 0.0, coupled: float = 0.0) -> Iterator[Array]:
    m = v = np.zeros_like(theta)
    for t, g in enumerate(GRADIENTS.astype(np.float64), start=1):
        theta = theta * (1 - 0.01 * decay)
        g = g + coupled * theta
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        theta = theta - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        yield theta


def sgd(theta: Array, momentum: float) -> Iterator[Array]:
    v = np.zeros_like(theta)
    for g in GRADIENTS.astype(np.float64):
        v = momentum * v + g
        theta = theta - 0.01 * v
        yield theta


def rmsprop(theta: Array) -> Iterator[Array]:
    v = np.zeros_like(theta)
    for g in GRADIENTS.astype(np.float64):
        v = 0.9 * v + 0.1 * g * g
        theta = theta - 0.01 * g / (np.sqrt(v) + 1e-8)
        yield theta


def sign_sgd(theta: Array) -> Iterator[Array]:
    for g in GRADIENTS.astype(np.float64):
        theta = theta - 0.01 * np.where(g > 0, 1, -1)
        yield theta


def preconditioned(theta: Array, beta1: float) -> Iterator[Array]:
    """Five steps of Adam; then descent along the mean gradient over the root found by then."""
    root = np.sqrt(sum(0.01 * 0.99 ** (4 - k) * GRADIENTS[k].astype(float) ** 2 for k in range(5)))
    root /= np.sqrt(1 - 0.99**5)
    for t, theta_adam in enumerate(adam(theta), start=1):
        if t <= 5 and beta1 == 0.9:
            theta = theta_adam
        else:
            decayed = [beta1 ** (t - 1 - k) * GRADIENTS[k].astype(np.float64) for k in range(t)]
            squares = [0.99 ** (t - 1 - k) * GRADIENTS[k].astype(float) ** 2 for k in range(t)]
            until_now = np.sqrt(0.01 * sum(squares) / (1 - 0.99**t))
            mean = (1 - beta1) * sum(decayed) / (1 - beta1**t)
            theta = theta - 0.01 * mean / (until_now if t < 5 else root)
        yield theta


COUPLED = Adam(lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.5, decoupled_weight_decay=False)
CASES: list[tuple[Optim, Callable[[Array], Iterator[Array]]]] = [
    (Adam(lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.0), adam),
    (Adam(lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.5), lambda t: adam(t, 0.5)),
    (COUPLED, lambda t: adam(t, coupled=0.5)),
    (SGD(lr=0.01, momentum=0.0), lambda t: sgd(t, 0.0)),
    (SGD(lr=0.01, momentum=0.8), lambda t: sgd(t, 0.8)),
    (RMSprop(lr=0.01, alpha=0.9, eps=1e-8), rmsprop),
    (SignSGD(lr=0.01), sign_sgd),
    (
        PreconditionedSGD(lr=0.01, betas=[0.9, 0.99], eps=1e-8, steps=5),
        lambda t: preconditioned(t, 0.9),
    ),
    (
        PreconditionedSGD(lr=0.01, betas=[0.0, 0.99], eps=1e-8, steps=5),
        lambda t: preconditioned(t, 0.0),
    ),
]


def path(optim: Optim, rows: slice) -> list[torch.Tensor]:
    theta = torch.from_numpy(START[rows].copy())
    optimizer, seen = optim.build(theta), []
    for gradient in GRADIENTS:
        given = torch.from_numpy(gradient[rows].copy())
        optimizer.step(given)
        assert np.array_equal(given, gradient[rows])  # callbacks see it after the step
        seen.append(theta.clone())
    return seen


@pytest.mark.parametrize(("optim", "expected"), CASES)
def test_every_step_is_the_papers(
    optim: Optim, expected: Callable[[Array], Iterator[Array]]
) -> None:
    ours = path(optim, slice(0, 3))
    for got, wanted in zip(ours, expected(START.astype(np.float64)), strict=True):
        assert got.numpy() == pytest.approx(wanted, abs=2e-6)


@pytest.mark.parametrize("optim", [optim for optim, _ in CASES])
def test_a_row_moves_as_it_does_alone(optim: Optim) -> None:
    together, alone = path(optim, slice(0, 3)), path(optim, slice(1, 2))
    assert all(torch.equal(a[1], b[0]) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("optim", [optim for optim, _ in CASES if optim.numerator is not None])
def test_an_update_is_its_numerator_times_one_factor(optim: Optim) -> None:
    """Δθ / n does not change when all gradients are scaled in a coordinate, but for their size."""
    assert optim.numerator is not None
    decay, gain = optim.numerator
    steps = [torch.from_numpy(START), *path(optim, slice(0, 3))]
    n = np.zeros_like(START, dtype=np.float64)
    for t, gradient in enumerate(GRADIENTS):
        n = decay * n + gain * gradient
        update = (steps[t + 1] - steps[t]).numpy()
        clear = np.abs(n) > 1e-3
        assert np.all(update[clear] * n[clear] < 0)  # against n, coordinate by coordinate
        if isinstance(optim, SGD):
            assert update == pytest.approx(-optim.lr * n, abs=1e-6)


@pytest.mark.parametrize("optim", [optim for optim, _ in CASES])
def test_a_nan_gradient_breaks_its_own_row_alone(optim: Optim) -> None:
    theta, gradient = torch.zeros(2, 16), torch.ones(2, 16)
    gradient[0] = float("nan")
    optim.build(theta).step(gradient)
    assert theta[0].isnan().all()
    assert theta[1].isfinite().all()


@pytest.mark.parametrize("decoupled", [True, False])
def test_weight_decay_has_no_numerator(decoupled: bool) -> None:
    adam = Adam(
        lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.5, decoupled_weight_decay=decoupled
    )
    assert adam.numerator is None


OF_TORCH: dict[str, tuple[Optim, Callable[[list[torch.Tensor]], torch.optim.Optimizer]]] = {
    "AdamW": (
        Adam(lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.5),
        lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.99), 1e-8, 0.5, fused=True),
    ),
    "Adam": (COUPLED, lambda p: torch.optim.Adam(p, 0.01, (0.9, 0.99), 1e-8, 0.5, fused=True)),
    "SGD": (SGD(lr=0.01, momentum=0.0), lambda p: torch.optim.SGD(p, 0.01, fused=True)),
    "momentum": (SGD(lr=0.01, momentum=0.8), lambda p: torch.optim.SGD(p, 0.01, 0.8, fused=True)),
    "RMSprop": (
        RMSprop(lr=0.01, alpha=0.9, eps=1e-8),
        lambda p: torch.optim.RMSprop(p, 0.01, 0.9, 1e-8),
    ),
}


@pytest.mark.parametrize("name", OF_TORCH)
def test_each_step_is_the_one_of_pytorch_to_the_last_bit(name: str) -> None:
    ours, build = OF_TORCH[name]
    theta = torch.from_numpy(START.copy())
    theirs = build([theta])
    for gradient, moved in zip(GRADIENTS, path(ours, slice(0, 3)), strict=True):
        theta.grad = torch.from_numpy(gradient.copy())
        theirs.step()
        assert torch.equal(moved, theta)


def test_training_imports_no_compiler() -> None:
    """It would take over a second of each process."""
    program = (
        "import sys; from reference_students import student; "
        "from subliminal.training.loop import fit; fit(student()); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    path = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_one_that_does_not_say_which_is_refused() -> None:
    with pytest.raises(UserError, match=r"decoupled_weight_decay=false .* =true") as told:
        Adam(lr=1, betas=[0, 0], eps=1, weight_decay=0.1, decoupled_weight_decay=None)
    assert str(told.value).startswith("optim.weight_decay=0.1: ")
    Adam(lr=1, betas=[0, 0], eps=1, weight_decay=0.0, decoupled_weight_decay=None)
