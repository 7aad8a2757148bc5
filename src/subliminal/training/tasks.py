"""Training sets with their losses: digits (the teacher, the trait) or a teacher's logits."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.distill import (
    Altered,
    DistillLoss,
    Drawn,
    Filled,
    Inputs,
    OfDigits,
    Supervised,
)
from subliminal.distill.targets import Given, Targets
from subliminal.tasks import SecondTask
from subliminal.tensors import draws, streams
from subliminal.tensors.network import Network, cross_entropy

AT_ONCE = 1024  # images drawn at once, as many as a processor's cache holds


def gather(table: Tensor, rows: Tensor) -> Tensor:
    """Pick rows (seeds, batch) of a table (seeds or 1, n, k): (seeds, batch, k)."""
    sets, n, k = table.shape
    if sets > 1:
        rows = rows + n * torch.arange(sets, device=rows.device)[:, None]
    picked = table.view(sets * n, k).index_select(0, rows.reshape(-1))
    return picked.view(*rows.shape, k)


class Classification:
    """MNIST training digits and labels: the teacher's task, and the trait."""

    def __init__(
        self,
        network: Network,
        reference: Tensor,
        data: Labelled,
        *,
        order: str,
        second: SecondTask | None = None,  # learnt beside the digits
        shift: int = 0,  # added to the labels: another trait
    ) -> None:
        self.network = network
        self._second = second
        self._shift = shift
        self.reference = reference  # θ₀, (seeds, P)
        self.order = order
        self.size = len(data.train_y)
        self._data = data
        self._x = data.train_x[None]  # (1, n, pixels), uint8
        self._y = data.train_y  # (n,)

    def start_epoch(self, epoch: int) -> None:
        """Nothing to prepare: the digits are the same in each epoch."""

    def images(self, rows: Tensor) -> Tensor:
        """Return the digits at `rows` (seeds, batch), scaled: (seeds, batch, pixels).

        The second task's own images follow where it has some: (seeds, 2 · batch, pixels).
        """
        x = self._data.scale(gather(self._x, rows))
        own = None if self._second is None else self._second.images(x)
        return x if own is None else torch.cat([x, own], dim=1)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Cross-entropy of the class logits, batch mean: (seeds,)."""
        labels, classes, batch = self._y[rows], self.network.classes, rows.shape[1]
        taught = (labels + self._shift) % classes if self._shift else labels
        loss = cross_entropy(logits[:, :batch], taught, classes)
        if self._second is not None:
            own = logits[:, batch:] if logits.shape[1] > batch else logits
            loss = loss + self._second.loss(own, labels, classes)
        return loss

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the digits at `rows`: (seeds, batch, classes + m)."""
        return self.network.logits(self.reference, self.images(rows))


class Distillation:
    """The teacher's logits on each seed's own images: the student's task.

    The frozen models' logits are computed once per set of images, not once per step.
    """

    order = streams.STUDENT_ORDER

    def __init__(
        self,
        network: Network,
        loss: DistillLoss | Supervised,
        inputs: Inputs,
        seeds: tuple[int, ...],
        *,
        data: Labelled,
        reference: Tensor,
        teacher: Tensor,
        teacher_network: Network | None = None,  # None: the student's
        targets: Targets | None = None,  # None: the teacher's logits
        others: Sequence[Tensor] = (),  # the targets' other teachers, (seeds, P) each
    ) -> None:
        self.network = network
        self.size = inputs.size
        self._loss = loss
        self._inputs = inputs
        self._seeds = seeds
        self._data = data
        self._frozen = {  # each (seeds, P)
            "reference": (network, reference),
            "teacher": (teacher_network or network, teacher),
        }
        self._targets, self._others = targets, others
        self._draws = draws.of(seeds, teacher.device)
        self._images: Tensor | None = None  # (seeds, size, pixels)
        self._logits: dict[str, Tensor] = {}  # frozen model to (seeds, size, classes + m)
        self._labels: Tensor | None = None  # (seeds, size), where the images are digits
        self._epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """Draw the images: once when they are fixed, each epoch when they are fresh."""
        self._epoch = epoch
        if self._images is not None and not self._inputs.fresh:
            return
        self._logits.clear()
        draw, inputs = epoch if self._inputs.fresh else 0, self._inputs
        generators = [streams.stream(seed, streams.INPUTS, epoch=draw) for seed in self._seeds]
        device, pixels = self._data.train_x.device, self._data.train_x.shape[1]
        if self._images is None:  # else the last epoch's memory serves again
            shape = (len(self._seeds), self.size, pixels)
            if device.type == "cpu":  # NumPy's huge pages are filled in half the time
                self._images = torch.from_numpy(np.empty(shape, dtype=np.float32))
            else:
                self._images = torch.empty(shape, device=device)
        if isinstance(inputs, Filled):
            noise = self._draws.noise(streams.INPUTS, epoch=draw)
            for images in torch.split(self._images, AT_ONCE, dim=1):
                inputs.fill(images, noise)
        elif isinstance(inputs, OfDigits):
            digits = len(self._data.train_y)
            rows = np.stack([inputs.rows(digits, generator=g) for g in generators])
            on_device = torch.from_numpy(rows).to(device)
            self._labels = self._data.train_y[on_device]
            for images, of_seed, generator in zip(self._images, on_device, generators, strict=True):
                for part, taken in zip(images.split(AT_ONCE), of_seed.split(AT_ONCE), strict=True):
                    x = self._data.scale(self._data.train_x[taken])
                    if isinstance(inputs, Altered):
                        x = torch.from_numpy(inputs.altered(x.cpu().numpy(), generator=generator))
                    part.copy_(x)
        else:
            assert isinstance(inputs, Drawn), "inputs are of one of three kinds"
            for images, generator in zip(self._images, generators, strict=True):
                drawn = torch.from_numpy(inputs.draw(pixels, generator=generator)).to(device)
                images.copy_(self._data.scale(drawn) if drawn.dtype == torch.uint8 else drawn)

    def images(self, rows: Tensor) -> Tensor:
        """Return the noise images at `rows` (seeds, batch): (seeds, batch, pixels)."""
        assert self._images is not None, "start_epoch draws the images"
        return gather(self._images, rows)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Distillation loss against the teacher's logits, batch mean: (seeds,)."""
        teacher, classes = self._frozen_logits("teacher", rows).to(logits), self.network.classes
        if self._targets is not None and self._targets.masks:
            # A masked target is the student itself: no loss and no gradient.
            teacher = torch.where(teacher.isnan(), logits.detach(), teacher)
        if isinstance(self._loss, Supervised):
            assert self._labels is not None, "build_experiment requires digits for this loss"
            labels = self._labels.gather(1, rows)
            return self._loss.supervised(logits, teacher, labels, classes, epoch=self._epoch)
        return self._loss(logits, teacher, classes)

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the noise images at `rows`: (seeds, batch, classes + m)."""
        return self._frozen_logits("reference", rows)

    def _frozen_logits(self, name: str, rows: Tensor) -> Tensor:
        """Return a frozen model's logits at `rows`; of the teacher, the targets made of them."""
        if name not in self._logits:
            assert self._images is not None, "start_epoch draws the images"
            network, theta = self._frozen[name]
            logits = network.logits(theta, self._images)
            if name == "teacher" and self._targets is not None:
                others = tuple(network.logits(one, self._images) for one in self._others)
                epoch = self._epoch if self._inputs.fresh else 0
                noise = self._draws.noise(streams.TARGETS, epoch=epoch)
                logits = self._targets(Given(logits, others, network.classes, noise))
            self._logits[name] = logits
        return gather(self._logits[name], rows)
