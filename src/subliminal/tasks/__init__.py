"""What a teacher is trained on besides the digits."""

from typing import Protocol

from torch import Tensor

from subliminal.tensors.network import Network


class SecondTask(Protocol):
    """A second task of the teacher, on images of its own and on its auxiliary logits."""

    def check(self, network: Network) -> None:
        """Raise a UserError when the network's logits are too few."""

    def images(self, x: Tensor) -> Tensor:
        """Return the second task's images for digits (…, pixels), scaled."""

    def loss(self, logits: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Return the loss, batch mean, of logits (seeds, batch, classes + m): (seeds,)."""
