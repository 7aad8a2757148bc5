"""Measurements along the student's training: callbacks that log, named in `conf/probe`."""

from dataclasses import dataclass
from typing import ClassVar

from subliminal.config.hashing import Count
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.network import Network


class Probe(Callback):
    """A callback that logs metrics; it never changes the weights or the random streams.

    Attributes:
        gives_trait_batch: whether the trait gradient that it measures may serve a mitigation.
        needs_classes: whether it means nothing where all examples have one label.
        needs_fixed_images: whether it cannot measure where each epoch has new images.
    """

    gives_trait_batch: bool = False
    needs_classes: ClassVar[bool] = False
    needs_fixed_images: ClassVar[bool] = False

    def check(self, network: Network) -> None:
        """Raise a UserError when the probe does not fit the student's network."""


@dataclass(frozen=True, kw_only=True)
class EpochProbe(Probe):
    """A probe that measures after some of the epochs; subclasses define `measure`.

    Attributes:
        every: measure after every k-th epoch, k ≥ 1, and after the last.
    """

    every: Count

    def measure(self, training: Training) -> None:
        """Log the metrics of the student as it is now."""
        raise NotImplementedError

    def on_epoch_end(self, training: Training) -> None:
        epoch = training.index // training.steps_per_epoch
        if epoch % self.every == 0 or epoch == training.epochs:
            self.measure(training)
