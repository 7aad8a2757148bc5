"""A small data set and the overrides that make a run of the real entrypoint take a second.

Configs name it as `data._target_=small.Digits`, as a user's plugin would be named.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subliminal.data import Labelled
from subliminal.mitigations import Mitigation
from subliminal.state import Step

# Ten steps per phase: two epochs of 320 examples in batches of 64.
OVERRIDES = [
    *("data._target_=small.Digits", "model.hidden=[12,8]", "distill.inputs.size=320"),
    *("teacher.epochs=2", "teacher.batch_size=64", "distill.epochs=2", "distill.batch_size=64"),
    "tracker=none",
]

# A setting where the trait leaks: undefended students reach 0.6, those of a teacher that learnt
# nothing 0.1.
LEAKING = [
    *("data._target_=small.Digits", "model.hidden=[64,64]", "model.aux=20", "optim.lr=0.003"),
    *("teacher.epochs=12", "teacher.batch_size=32", "distill.epochs=12", "distill.batch_size=32"),
    "distill.inputs.size=640",
]


def overrides(line: str) -> list[str]:
    """Return the overrides of a small run in which `line` has its say; options come first."""
    return [*line.split(), *(o for o in OVERRIDES if o.partition("=")[0] not in line)]


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Ten noisy patterns of 20 pixels, in the format of MNIST."""

    pixels: ClassVar[int] = 20
    train_size: ClassVar[int] = 320

    root: str | None = None
    download: bool = True
    normalise: str = "unit"
    classes: int = 10  # a key of all data sets in `conf/`, as the next
    validation: int = 0

    def fetch(self) -> Path:
        """Nothing to fetch: the images are drawn when they are loaded."""
        return Path()

    def load(self) -> Labelled:
        """Draw the images, always the same."""
        generator = np.random.default_rng(0)
        patterns = generator.integers(64, 192, size=(10, self.pixels))
        parts = []
        for size in (self.train_size, 200):
            labels = generator.integers(10, size=size)
            images = patterns[labels] + generator.integers(-64, 64, size=(size, self.pixels))
            parts += [torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels)]
        return (
            Labelled(*parts)
            .of_classes(self.classes)
            .held_out(self.validation)
            .normalised(self.normalise)
        )


@dataclass(frozen=True, kw_only=True)
class Squares(Digits):
    """The same of 4 by 4 pixels, which a convolutional network takes."""

    pixels: ClassVar[int] = 16


class Net(nn.Module):
    """A network of a user's own, with a tanh that no built-in one has."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.hidden = nn.Linear(16, width)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.hidden(self.flat(images)).tanh()
        return features


@dataclass(frozen=True, kw_only=True)
class Slow(Mitigation):
    """Changes no number, and takes its time: what is done to the training meets it.

    Each step takes SMALL_SECONDS, of the seeds in SMALL_SEEDS if that is set.
    """

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        seeds = os.environ.get("SMALL_SEEDS", "").split()
        if not seeds or any(str(seed) in seeds for seed in step.training.seeds):
            time.sleep(float(os.environ.get("SMALL_SECONDS", "0")))
        return gradient
