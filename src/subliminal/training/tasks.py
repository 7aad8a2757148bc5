"""What a network is trained on: digits (the teacher, the trait) or a teacher's logits."""

import numpy as np
import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.distill import DistillLoss, Inputs, OfDigits, Supervised
from subliminal.tasks import SecondTask
from subliminal.tensors import streams
from subliminal.tensors.network import Network, cross_entropy


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
        second: SecondTask | None = None,  # learnt beside it, on as many images of its own
    ) -> None:
        self.network = network
        self._second = second
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

        With a second task, its images follow: (seeds, 2 · batch, pixels).
        """
        x = self._data.scale(gather(self._x, rows))
        return x if self._second is None else torch.cat([x, self._second.images(x)], dim=1)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Cross-entropy of the class logits, batch mean: (seeds,)."""
        labels, classes, batch = self._y[rows], self.network.classes, rows.shape[1]
        loss = cross_entropy(logits[:, :batch], labels, classes)
        if self._second is not None:
            loss = loss + self._second.loss(logits[:, batch:], labels, classes)
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
    ) -> None:
        self.network = network
        self.size = inputs.size
        self._loss = loss
        self._inputs = inputs
        self._seeds = seeds
        self._data = data  # the training digits, and their labels for who asks
        self._frozen = {  # each (seeds, P)
            "reference": (network, reference),
            "teacher": (teacher_network or network, teacher),
        }
        self._images: Tensor | None = None  # (seeds, size, pixels)
        self._logits: dict[str, Tensor] = {}  # frozen model to (seeds, size, classes + m)
        self._labels: Tensor | None = None  # (seeds, size), of a supervised loss
        self._epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """Draw the images: once when they are fixed, each epoch when they are fresh."""
        self._epoch = epoch
        if self._images is not None and not self._inputs.fresh:
            return
        self._images = None  # frees the last epoch's images before the next are drawn
        self._logits.clear()
        draw = epoch if self._inputs.fresh else 0
        drawn = [
            self._inputs.draw(
                self._data.train_x, generator=streams.stream(seed, streams.INPUTS, epoch=draw)
            )
            for seed in self._seeds
        ]
        stacked = drawn[0][None] if len(drawn) == 1 else np.stack(drawn)
        device = self._frozen["teacher"][1].device
        images = torch.from_numpy(stacked).to(device)
        self._images = self._data.scale(images) if images.dtype == torch.uint8 else images
        if isinstance(self._loss, Supervised):
            assert isinstance(self._inputs, OfDigits), "the experiment was checked"
            rows = [
                self._inputs.rows(
                    len(self._data.train_y),
                    generator=streams.stream(seed, streams.INPUTS, epoch=draw),
                )
                for seed in self._seeds
            ]
            self._labels = self._data.train_y[torch.from_numpy(np.stack(rows)).to(device)]

    def images(self, rows: Tensor) -> Tensor:
        """Return the noise images at `rows` (seeds, batch): (seeds, batch, pixels)."""
        assert self._images is not None, "start_epoch draws the images"
        return gather(self._images, rows)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Distillation loss against the teacher's logits, batch mean: (seeds,)."""
        teacher, classes = self._frozen_logits("teacher", rows), self.network.classes
        if isinstance(self._loss, Supervised):
            assert self._labels is not None, "start_epoch looks them up"
            labels = self._labels.gather(1, rows)
            return self._loss.supervised(logits, teacher, labels, classes, epoch=self._epoch)
        return self._loss(logits, teacher, classes)

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the noise images at `rows`: (seeds, batch, classes + m)."""
        return self._frozen_logits("reference", rows)

    def _frozen_logits(self, name: str, rows: Tensor) -> Tensor:
        if name not in self._logits:
            assert self._images is not None, "start_epoch draws the images"
            network, theta = self._frozen[name]
            self._logits[name] = network.logits(theta, self._images)
        return gather(self._logits[name], rows)
