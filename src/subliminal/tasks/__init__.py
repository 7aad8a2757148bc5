"""What a teacher is trained on besides the digits."""

from torch import Tensor

from subliminal.tensors.network import Network


class SecondTask:
    """A second task of the teacher, of its auxiliary logits, on images of its own or the digits."""

    def check(self, network: Network) -> None:
        """Raise a UserError when the network's logits are too few."""

    def images(self, x: Tensor) -> Tensor | None:
        """Return the second task's images for digits (…, pixels), scaled; None: the digits."""
        return None

    def loss(self, logits: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Return the loss, batch mean, of logits (seeds, batch, classes + m): (seeds,)."""
        raise NotImplementedError
