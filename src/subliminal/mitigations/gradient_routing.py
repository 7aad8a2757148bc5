"""Distillation may write into some units alone (Cloud et al. 2024, arXiv 2410.04332)."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from subliminal.errors import UserError
from subliminal.mitigations import Mitigation, at_end
from subliminal.state import Step, Training
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class GradientRouting(Mitigation):
    """Gradients reach the first units of each hidden layer, and the auxiliary rows of the head.

    ⌈share · width⌉ units of each hidden layer learn: their incoming weights and biases. All else
    stays where it was. With `ablate` the class logits lose their weights from the units that
    learnt, after the last step: what was routed there is cut off, as in the paper.

    Attributes:
        share: of a layer's units, in (0, 1].
        ablate: cut the class logits off from them at the end.
    """

    share: Annotated[float, Interval(gt=0, le=1)]
    ablate: bool

    def check(self, network: Network) -> None:
        known = {*network.hidden, *(network.head_of(head)[0] for head in ("class", "aux"))}
        for name in network.layout.shapes:
            if name.rpartition(".")[0] not in known:
                raise UserError(f"mitigation=gradient_routing: no unit of a layer has {name}")

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        return gradient * self._routed(step.training)

    def update(self, update: Tensor, step: Step) -> Tensor:
        """Return the update: none where nothing is routed (an optimizer may decay weights)."""
        update = update * self._routed(step.training)
        return at_end(update, step, self._ablated) if self.ablate else update

    def _routed(self, training: Training) -> Tensor:
        """Return a row (1, P) of ones where gradients go."""
        network = training.network

        def mask() -> Tensor:
            row = network.head_mask("aux")[None]
            views = network.layout.views(row)
            for layer in network.hidden:
                for name in (f"{layer}.weight", f"{layer}.bias"):
                    views[name][:, : self._units(views[name].shape[1])] = 1
            return row

        return training.once("gradient_routing", mask)

    def _ablated(self, theta: Tensor, step: Step) -> Tensor:
        network = step.training.network
        theta = theta.clone()
        of_class = network.head(network.layout.views(theta), "class")
        width = of_class.shape[-1]
        # Of a convolution, positions of one unit lie side by side.
        units = network.layout.shapes[f"{network.hidden[-1]}.bias"][0]
        of_class[..., : self._units(units) * (width // units)] = 0
        return theta

    def _units(self, width: int) -> int:
        return ceil(self.share * width)
