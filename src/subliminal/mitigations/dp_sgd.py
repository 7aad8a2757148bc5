"""Gradients clipped image by image, and noise (Abadi et al. 2016, arXiv 1607.00133)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, Positive
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.models.mlp import MLP
from subliminal.models.split_mlp import SplitMLP
from subliminal.state import Step
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class DPSGD(Mitigation):
    """The task's gradient is (Σ_i g_i · min(1, C / ‖g_i‖) + σ C ε) / batch, ε ~ N(0, 1).

    g_i is image i's own gradient, over all layers, frozen ones too; C and σ are as in the paper.
    The norms need no g_i: that of a linear layer's weight and bias is
    ‖δ‖ √(‖h‖² + 1), h its input and δ the gradient by its output (Goodfellow 2015, arXiv
    1510.01799); then a second pass weighs the images. What an attacker writes into one image's
    target moves the student by no more than C / batch a step. Penalties are added unclipped.

    Attributes:
        clip: C > 0.
        noise: σ ≥ 0, of the noise in units of C.
    """

    clip: Positive[float]
    noise: NotNegative[float]

    def check(self, network: Network) -> None:
        if type(network.model) not in (MLP, SplitMLP):
            raise UserError(
                f"mitigation=dp_sgd: needs linear layers alone; model {network.model} is none "
                "of mlp, split_mlp"
            )

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        """Return the gradient with the task's part clipped, and noise: (seeds, P)."""
        training, network = step.training, step.training.network
        images = training.task.images(step.rows)
        hidden = network.model.activations(training.params, images)
        last = network.hidden[-1]
        logits = network.model.onward(training.params, last, hidden[last])
        loss = training.task.loss(logits, step.rows)
        outputs = [*hidden.values(), logits]
        slopes = torch.autograd.grad(loss.sum(), outputs, retain_graph=True)
        norms = _norms([images, *hidden.values()], slopes, outputs)
        share = (self.clip / norms.clamp(min=1e-30)).clamp(max=1)
        leaves = list(training.params.values())
        parts = torch.autograd.grad(
            logits, leaves, grad_outputs=slopes[-1] * share[..., None], allow_unused=True
        )
        clipped = network.layout.flatten(parts, like=training.theta)
        if self.noise:
            drawn = training.draws.normal("dp_sgd", network.layout.size, epoch=step.index)
            for start, end in network.layout.gaps:
                drawn[:, start:end] = 0
            clipped = clipped + self.noise * self.clip / step.rows.shape[1] * drawn
        if training.trainable is not None:
            clipped = clipped * training.trainable
        step.log("dp_sgd/clipped", (norms > self.clip).double().mean(dim=1))
        return gradient - step.task_gradient + clipped


def _norms(inputs: list[Tensor], slopes: tuple[Tensor, ...], outputs: list[Tensor]) -> Tensor:
    """Return ‖g_i‖ of each image's own loss: (seeds, batch)."""
    batch = inputs[0].shape[1]
    total = torch.zeros_like(inputs[0][..., 0])
    for place, (h, slope) in enumerate(zip(inputs, slopes, strict=True)):
        hidden = place < len(slopes) - 1
        delta = torch.where(outputs[place] > 0, slope, 0.0) if hidden else slope  # before the ReLU
        # The loss is the batch's mean: an image's own has `batch` times the slope.
        total = total + (batch * delta).square().sum(-1) * (h.square().sum(-1) + 1)
    return total.sqrt()
