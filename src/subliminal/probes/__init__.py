"""Measurements along the student's training: callbacks that log, named in `conf/probe`."""

from subliminal.callbacks import Callback


class Probe(Callback):
    """A callback that logs metrics; it never changes the weights or the random streams.

    Attributes:
        gives_trait_batch: whether the trait gradient that it measures may serve a mitigation.
    """

    gives_trait_batch: bool = False
