"""Measurements along the student's training: callbacks that log, named in `conf/probe`."""

from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.network import Network


class Probe(Callback):
    """A callback that logs metrics; it never changes the weights or the random streams.

    Attributes:
        gives_trait_batch: whether the trait gradient that it measures may serve a mitigation.
    """

    gives_trait_batch: bool = False

    def check(self, network: Network) -> None:
        """Raise a UserError when the probe does not fit the student's network."""


def due(training: Training, every: int) -> bool:
    """Whether the epoch that has ended is a k-th, or the last."""
    epoch = training.index // training.steps_per_epoch
    return epoch % every == 0 or epoch == training.epochs
