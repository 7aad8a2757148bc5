"""Teachers and students of some seeds, trained in this process, with teachers of any weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subliminal.judge.battery import Defence
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.tensors.network import accuracy, cross_entropy
from subliminal.training.job import Job
from subliminal.training.loop import fit
from subliminal.training.runner import labelled
from subliminal.training.tasks import Distillation, trait
from subliminal.training.teacher import shared_weights, teacher_weights

NEW = 1000  # seeds between two draws of a student
DIGITS, SHARP = 2048, 3.0  # of the losses
CHECKED = 5000  # training digits on which an accuracy is measured


class Arena:
    """Teachers and students of some seeds, of a condition, for attacks."""

    def __init__(self, seeds: str, overrides: Sequence[str]) -> None:
        composed = Defence((), (f"seed={seeds}",)).compose(overrides)
        self.job = job = Job(composed, "attacker")
        self.made = made = job.experiment
        self.data = labelled(made.data, made.device, job.seeds)
        self.shared = shared_weights(job, self.data, job.seeds)
        self.plain, _ = teacher_weights(job, self.data, self.shared.teacher, job.seeds)

    def student(self, teacher: Tensor, draw: int = 0) -> Training:
        """Return students of teachers (copies · seeds, P), as `runner.prepare_student` does.

        With another `draw` their images, order and noise are those of other seeds.
        """
        made, phase, copies = self.made, self.job.cfg.distill, len(teacher) // len(self.job.seeds)
        seeds = tuple(seed + NEW * draw for seed in self.job.seeds) * copies
        start = made.init.start(made.network, self.shared, own=streams.STUDENT_INIT)
        start = start.repeat(copies, 1)
        both: dict[str, Any] = {"data": self.data, "reference": start, "teacher": teacher.detach()}
        both |= {"teacher_network": made.teacher_network}
        lesson = made.network, made.loss, made.inputs, seeds
        return Training(
            *("student", seeds, made.network),
            task=Distillation(*lesson, **both, targets=made.targets, runs=seeds),
            trait=trait(made.network, start, self.data),
            **both,
            theta=start.clone(),
            epochs=phase.epochs,
            batch_size=phase.batch_size,
            optim=made.optim,
            mitigations=made.mitigations,
            teacher_reference=self.shared.teacher.repeat(copies, 1),
            frozen=phase.frozen,
        )

    def trained(self, teacher: Tensor, draw: int = 0) -> Tensor:
        """Return the weights of real students: (copies · seeds, P)."""
        training = self.student(teacher, draw)
        fit(training)
        return training.theta

    def loss(self, theta: Tensor, number: int, *, even: bool = False) -> Tensor:
        """Cross-entropy of class logits on training digits, others for each number: (seeds,).

        With `even` a seed's logits have the root mean square SHARP: a student that is confidently
        wrong would else gain more by doubt than by being right.
        """
        rows = (torch.arange(DIGITS) + DIGITS * number) % len(self.data.train_y)
        images = self.data.scale(self.data.train_x[rows]).expand(len(theta), -1, -1)
        network = self.made.teacher_network
        logits = network.forward(network.layout.views(theta), images)[..., : network.classes]
        if even:
            logits = SHARP * logits / logits.square().mean(dim=(1, 2), keepdim=True).sqrt()
        labels = self.data.train_y[rows].expand(len(theta), -1)
        return cross_entropy(logits, labels, network.classes)

    def accuracy(self, theta: Tensor, *, test: bool = True) -> Tensor:
        """Return the accuracy on the test digits, or on the first training ones: (seeds,)."""
        data, network = self.data, self.made.teacher_network
        x, y = data.tests() if test else (data.scale(data.train_x[:CHECKED])[None], data.train_y)
        y = y[..., : x.shape[1]].expand(len(theta), -1)
        return accuracy(network.logits(theta, x), y, network.classes)

    def leak(self, teacher: Tensor) -> list[float]:
        """Return the class accuracy of each seed's real student."""
        return [float(hits) for hits in self.accuracy(self.trained(teacher))]
