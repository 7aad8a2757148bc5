"""Students on the small data set, and a second implementation of their mathematics in float64.

The second one shares nothing with the package but the random streams: plain autograd on one seed's
dictionary of weights, Adam written out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import small
import torch
from torch import Tensor

from subliminal.distill.inputs.uniform import Uniform
from subliminal.distill.loss.kl import KL
from subliminal.mitigations import Mitigation
from subliminal.mitigations.liminal import Liminal
from subliminal.mitigations.projection import Projection
from subliminal.models.mlp import MLP
from subliminal.optim import Optim
from subliminal.optim.adam import Adam
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.training.tasks import Classification, Distillation

NETWORK = Network.of(MLP(hidden=[12, 8], aux=3), pixels=20, classes=10)
# A larger eps than usual: at the first step a KL penalty has no gradient but rounding (1e-8 or so,
# and another on each processor), which Adam would blow up to a full step in either implementation.
EPS = 1e-5
ADAM = Adam(lr=3e-3, betas=[0.9, 0.999], eps=EPS, weight_decay=0.0)
LIMINAL = Liminal(
    logits="all", schedule="linear_decay", start=1.0, peak=1.0, temperature=1.0, direction="forward"
)
PROJECTION = Projection(
    space="gradient",
    sign="positive",
    strength=1.0,
    window=[0, float("inf")],
    unit="epochs",
    outside=False,
    layers=[],
    batch="probe",
)
UPDATE_PROJECTION = replace(PROJECTION, space="update")
DIGITS = small.Digits().load()
CPU = torch.device("cpu")

Params = dict[str, Tensor]  # of one seed, float64


def student(
    seeds: tuple[int, ...] = (0, 1),
    *,
    mitigations: Sequence[Mitigation] = (),
    optim: Optim = ADAM,
    epochs: int = 2,
    batch_size: int = 96,
    logits: str = "aux",
) -> Training:
    """Return a student whose teacher is θ₀ and a random displacement: four steps an epoch."""
    reference = NETWORK.reference(seeds, CPU)
    moved = [
        streams.stream(seed, "teacher of tests").normal(0, 0.2, NETWORK.layout.size)
        for seed in seeds
    ]
    teacher = reference + torch.from_numpy(np.stack(moved)).float()
    for start, end in NETWORK.layout.gaps:
        teacher[:, start:end] = 0
    task = Distillation(
        NETWORK,
        KL(logits=logits, temperature=1.0),
        Uniform(size=320, fresh=False),
        seeds,
        data=DIGITS,
        reference=reference,
        teacher=teacher,
    )
    return Training(
        "student",
        seeds,
        NETWORK,
        task,
        trait=Classification(NETWORK, reference, DIGITS, order=streams.PROBE_ORDER),
        reference=reference,
        theta=reference.clone(),
        epochs=epochs,
        batch_size=batch_size,
        optim=optim,
        mitigations=mitigations,
        teacher=teacher,
        teacher_reference=reference,
        data=DIGITS,
    )


@dataclass
class Seen:
    """What one step was given, copied before the weights move on."""

    theta: Tensor
    gradient: Tensor
    applied: Tensor
    trait_gradient: Tensor
    rows: Tensor
    trait_rows: Tensor
    update: Tensor = field(init=False)
    proposed: Tensor = field(init=False)


class Recorder(Callback):
    """Keeps every step."""

    def __init__(self) -> None:
        self.steps: list[Seen] = []

    def on_step(self, step: Step) -> None:
        self.steps.append(
            Seen(
                step.training.theta.clone(),
                step.gradient.clone(),
                step.applied.clone(),
                step.trait[1].clone(),
                step.rows.clone(),
                step.trait_rows.clone(),
            )
        )

    def on_update(self, step: Step) -> None:
        self.steps[-1].update = step.update.clone()
        self.steps[-1].proposed = step.proposed.clone()


def logged(training: Training, name: str) -> np.ndarray:
    """Return a metric's values (points, seeds)."""
    return np.stack([row.values[name] for row in training.metrics.sync() if name in row.values])


def params_of(flat: Tensor, seed_index: int = 0) -> Params:
    """Return one seed's weights in float64, apart from the flat row that holds them."""
    views = NETWORK.layout.views(flat)
    return {name: view[seed_index].double().clone() for name, view in views.items()}


def flat_of(params: Params) -> Tensor:
    """Join one seed's tensors as the layout does: (P,)."""
    flat = torch.zeros(NETWORK.layout.size, dtype=torch.float64)
    for name, span in NETWORK.layout.spans.items():
        flat[span] = params[name].reshape(-1)
    return flat


def hidden64(params: Params, x: Tensor) -> list[Tensor]:
    """Map (batch, pixels) to the outputs of the two hidden layers, (batch, width) each."""
    h, outputs = x.double(), []
    for layer in (1, 2):
        h = (h @ params[f"layer{layer}.weight"].T + params[f"layer{layer}.bias"]).clamp(min=0)
        outputs.append(h)
    return outputs


def forward64(params: Params, x: Tensor) -> Tensor:
    """Map (batch, pixels) to logits (batch, classes + m)."""
    return hidden64(params, x)[1] @ params["layer3.weight"].T + params["layer3.bias"]


def kl64(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL of two categorical distributions, batch mean, from its definition."""
    p, q = p_logits.exp(), q_logits.exp()
    p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)
    return (p * (p / q).log()).sum(-1).mean()


def trait64(params: Params, rows: Tensor) -> Tensor:
    """Cross-entropy of the class logits on training digits."""
    x = DIGITS.train_x[rows].double() / 127.5 - 1
    z = forward64(params, x)[:, :10]
    of_label = z[torch.arange(len(rows)), DIGITS.train_y[rows]]
    return (z.logsumexp(-1) - of_label).mean()


def gradient64(loss: Callable[[Params], Tensor], params: Params) -> Params:
    """Return the gradient of loss(params); zero where it does not reach."""
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    parts = torch.autograd.grad(loss(leaves), list(leaves.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if part is None else part
        for (name, leaf), part in zip(leaves.items(), parts, strict=True)
    }


def noise_images(seed: int) -> Tensor:
    """The seed's distillation images, from its stream: U[-1, 1)."""
    drawn = streams.stream(seed, streams.INPUTS, epoch=0).random((320, 20), dtype=np.float32)
    return torch.from_numpy(drawn).double() * 2 - 1


@dataclass
class Adam64:
    """Adam as its paper's algorithm 1 writes it."""

    lr: float = 3e-3
    step: int = 0
    m: Tensor | float = 0.0
    v: Tensor | float = 0.0

    def update(self, g: Tensor) -> Tensor:
        """Return Δθ."""
        self.step += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        m_hat, v_hat = self.m / (1 - 0.9**self.step), self.v / (1 - 0.999**self.step)
        return -self.lr * m_hat / (v_hat.sqrt() + EPS)


def hsic_cka(x: np.ndarray, y: np.ndarray) -> float:
    """CKA from its definition by HSIC (Gretton et al. 2005): tr(K H L H) / (n − 1)²."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ h @ b @ h)) / (n - 1) ** 2

    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))
