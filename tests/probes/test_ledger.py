"""The ledger against float64: prediction, change, sums, and the split by cause."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference_students import NETWORK, PROJECTION, Recorder, logged, params_of, student, trait64

from subliminal.mitigations import Mitigation
from subliminal.mitigations.anchor import Anchor
from subliminal.mitigations.liminal import Liminal
from subliminal.mitigations.projection import Projection
from subliminal.optim import Optim, adam, preconditioned_sgd, rmsprop, sgd, sign_sgd
from subliminal.probes.ledger import Ledger
from subliminal.state import Step
from subliminal.state.callbacks import Callback
from subliminal.training.loop import fit

OPTIMS: list[Optim] = [
    adam.Adam(lr=3e-3, betas=[0.9, 0.999], eps=1e-6, weight_decay=0.0),
    sgd.SGD(lr=0.5, momentum=0.9),
    rmsprop.RMSprop(lr=3e-3, alpha=0.99, eps=1e-6),
    sign_sgd.SignSGD(lr=1e-3),
    preconditioned_sgd.PreconditionedSGD(lr=3e-3, betas=[0.9, 0.999], eps=1e-6, steps=3),
]
PENALTY = Liminal(
    logits="all", schedule="critical_period", start=1, peak=1, temperature=1.0, direction="forward"
)


def projection(space: str) -> Projection:
    return replace(PROJECTION, space=space, sign="both")


def test_predicted_and_actual_are_those_of_float64() -> None:
    training, recorder = student((0, 3)), Recorder()
    fit(training, [Ledger(layers=True), recorder])
    predicted, actual = logged(training, "ledger/predicted"), logged(training, "ledger/actual")
    for step, seen in enumerate(recorder.steps):
        product = seen.trait_gradient.double() * seen.update.double()
        assert predicted[step] == pytest.approx(product.sum(dim=1).numpy(), rel=1e-4, abs=1e-9)
        for column in (0, 1):
            rows = seen.trait_rows[column]
            after = trait64(params_of(seen.theta + seen.update, column), rows)
            before = trait64(params_of(seen.theta, column), rows)
            assert actual[step, column] == pytest.approx(float(after - before), abs=1e-6)
    layers = [logged(training, f"ledger/predicted/{name}") for name in NETWORK.layout.shapes]
    assert np.sum(layers, axis=0) == pytest.approx(predicted, abs=1e-9)
    for name, values in (("predicted", predicted), ("actual", actual)):
        total = logged(training, f"ledger/{name}_total")
        assert total == pytest.approx(np.cumsum(values, axis=0), abs=1e-7)


def test_small_steps_are_first_order() -> None:
    tiny = adam.Adam(lr=1e-5, betas=[0.9, 0.999], eps=1e-6, weight_decay=0.0)
    recorder = Recorder()
    fit(student((0,), optim=tiny), [recorder])
    for seen in recorder.steps:
        rows = seen.trait_rows[0]
        after, before = (
            trait64(params_of(t), rows) for t in (seen.theta + seen.update, seen.theta)
        )
        predicted = float((seen.trait_gradient.double() * seen.update.double()).sum())
        assert predicted == pytest.approx(float(after - before), rel=0.02, abs=1e-9)


@pytest.mark.parametrize(
    ("optim", "mitigations"),
    [
        *((optim, [PENALTY, projection("update")]) for optim in OPTIMS),
        *((optim, [Anchor(strength=0.1)]) for optim in OPTIMS),
        (OPTIMS[0], [PENALTY]),
        (OPTIMS[1], [projection("gradient")]),
    ],
)
def test_the_split_is_the_optimizers_own_response_to_each_part(
    optim: Optim, mitigations: list[Mitigation]
) -> None:
    """Independent route: Δθ = −f ⊙ n, with f from the optimizer's second moment in float64."""
    training = student((0, 3), mitigations=mitigations, optim=optim)
    recorder, parts = Recorder(), Parts()
    fit(training, [parts, Ledger(layers=False), recorder])
    n = {name: np.zeros(training.theta.shape) for name in ("distill", "penalty", "removed")}
    v = np.zeros(training.theta.shape)
    for step, seen in enumerate(recorder.steps):
        applied = seen.applied.double().numpy()
        if isinstance(optim, adam.Adam):
            decay, gain = 0.9, 0.1
            v = 0.999 * v + 0.001 * applied**2
            root = np.sqrt(v / (1 - 0.999 ** (step + 1)))
            factor = optim.lr / (1 - 0.9 ** (step + 1)) / (root + 1e-6)
        elif isinstance(optim, rmsprop.RMSprop):
            decay, gain = 0.0, 1.0
            v = 0.99 * v + 0.01 * applied**2
            factor = optim.lr / (np.sqrt(v) + 1e-6)
        elif isinstance(optim, sign_sgd.SignSGD):
            decay, gain = 0.0, 1.0
            factor = optim.lr / np.where(applied == 0, np.inf, np.abs(applied))
        elif isinstance(optim, preconditioned_sgd.PreconditionedSGD):
            decay, gain, seen_by_adam = 0.9, 0.1, min(step + 1, 3)
            v = 0.999 * v + 0.001 * applied**2 if step < 3 else v
            root = np.sqrt(v / (1 - 0.999**seen_by_adam))
            factor = optim.lr / (1 - 0.9 ** (step + 1)) / (root + 1e-6)
        else:
            decay, gain, factor = 0.9, 1.0, np.full(v.shape, 0.5)
        g_t = seen.trait_gradient.double().numpy()
        for name in n:
            n[name] = decay * n[name] + gain * parts.seen[step][name].double().numpy()
        entry = {name: -(g_t * factor * n[name]).sum(axis=1) for name in ("distill", "penalty")}
        entry["predicted"] = (g_t * seen.update.double().numpy()).sum(axis=1)
        entry["intervention"] = entry["predicted"] - entry["distill"] - entry["penalty"]
        size = np.linalg.norm(g_t, axis=1) * np.linalg.norm(seen.proposed.double().numpy(), axis=1)
        for name, values in entry.items():
            metric = "ledger/predicted" if name == "predicted" else f"ledger/predicted_{name}"
            assert np.all(np.abs(logged(training, metric)[step] - values) < 1e-4 * size), name
    if not any(isinstance(m, Projection) for m in mitigations):
        rest = logged(training, "ledger/predicted_intervention")
        assert np.abs(rest).max() < 1e-5 * np.abs(logged(training, "ledger/predicted")).max()


class Parts(Callback):
    """Keeps the gradient's parts, by subtraction of a gradient taken apart."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []

    def on_step(self, step: Step) -> None:
        _, distill = step.training.loss_and_gradient(step.training.task, step.rows)
        self.seen.append(
            {
                "distill": distill.clone(),
                "penalty": (step.gradient - distill).clone(),
                "removed": (step.applied - step.gradient).clone(),
            }
        )


def test_a_plain_run_and_weight_decay_have_no_split() -> None:
    decaying = adam.Adam(lr=3e-3, betas=[0.9, 0.999], eps=1e-6, weight_decay=0.1)
    for training in (student((0,)), student((0,), mitigations=[PENALTY], optim=decaying)):
        fit(training, [Ledger(layers=False)])
        names = {name for row in training.metrics.sync() for name in row.values}
        assert "ledger/predicted" in names
        assert not any("distill" in name for name in names)


def test_a_projected_update_is_predicted_to_change_nothing() -> None:
    training = student((0, 3), mitigations=[projection("update")])
    fit(training, [Ledger(layers=False)])
    plain = student((0, 3))
    fit(plain, [Ledger(layers=False)])
    held, free = (np.abs(logged(t, "ledger/predicted")).max() for t in (training, plain))
    assert held < 1e-5 * free
