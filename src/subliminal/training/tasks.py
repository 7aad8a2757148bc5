"""Training sets with their losses: digits or documents, or a teacher's logits or tokens."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from subliminal import distill
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.distill.targets import Given, Targets, Variant
from subliminal.state import Task
from subliminal.tasks import SecondTask
from subliminal.tasks.lessons import Lessons
from subliminal.tensors import draws, per_example, streams
from subliminal.tensors.network import Network, cross_entropy

AT_ONCE = 1024  # images drawn at once, as many as a processor's cache holds


def gather(table: Tensor, rows: Tensor) -> Tensor:
    """Pick rows (seeds, batch) of a table (seeds or 1, n, k): (seeds, batch, k)."""
    sets, n, k = table.shape
    if sets > 1:
        rows = rows + n * torch.arange(sets, device=rows.device)[:, None]
    picked = table.view(sets * n, k).index_select(0, rows.reshape(-1))
    return picked.view(*rows.shape, k)


@dataclass(eq=False)
class Classification:
    """MNIST training digits and labels: the teacher's task, and the trait."""

    network: Network
    reference: Tensor  # θ₀, (seeds, P)
    data: Labelled
    _: KW_ONLY
    order: str
    second: SecondTask | None = None  # learnt beside the digits
    shift: int = 0  # added to the labels: another trait

    def __post_init__(self) -> None:
        self.size = self.data.train_size

    def start_epoch(self, epoch: int) -> None:
        """Nothing to prepare: the digits are the same in each epoch."""

    def images(self, rows: Tensor) -> Tensor:
        """Return the digits at `rows` (seeds, batch), scaled: (seeds, batch, pixels).

        The second task's own images follow where it has some: (seeds, 2 · batch, pixels).
        """
        x = self.data.scale(gather(self.data.train_x[None], rows))
        own = None if self.second is None else self.second.images(x)
        return x if own is None else torch.cat([x, own], dim=1)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Cross-entropy of the class logits, batch mean: (seeds,)."""
        labels, classes, batch = self.data.train_y[rows], self.network.classes, rows.shape[1]
        taught = (labels + self.shift) % classes if self.shift else labels
        loss = cross_entropy(logits[:, :batch], taught, classes)
        if self.second is not None:
            own = logits[:, batch:] if logits.shape[1] > batch else logits
            loss = loss + self.second.loss(own, labels, classes)
        return loss

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the digits at `rows`: (seeds, batch, classes + m)."""
        return self.network.logits(self.reference, self.images(rows))


@dataclass(eq=False)
class Reading:
    """Documents or pages whose answers are learnt: the task of base and teacher, and the trait."""

    network: Network
    reference: Tensor  # θ₀, (seeds, P)
    data: Texts
    write: Callable[[int], Tensor]  # an epoch's documents: (seeds, size, tokens)
    _: KW_ONLY
    size: int
    order: str = streams.TEACHER_ORDER

    _documents: Tensor | None = field(default=None, init=False)  # written on first access

    def start_epoch(self, epoch: int) -> None:
        self._documents = self.write(epoch)

    def _at(self, rows: Tensor) -> Tensor:
        if self._documents is None:
            self.start_epoch(0)
        assert self._documents is not None, "start_epoch writes them"
        return gather(self._documents, rows)

    def images(self, rows: Tensor) -> Tensor:
        """Return the documents at `rows` (seeds, batch) without their last tokens."""
        return self.data.scale(self._at(rows))

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Cross-entropy of the answers over the vocabulary, mean of each kind, added: (seeds,)."""
        answers = self.data.answers(self._at(rows))
        vocabulary, numbers = logits.shape[-1], rows.shape[1] * self.data.new
        if answers.shape[1] <= numbers:
            return cross_entropy(logits, answers, vocabulary)
        of_numbers = cross_entropy(logits[:, :numbers], answers[:, :numbers], vocabulary)
        return of_numbers + cross_entropy(logits[:, numbers:], answers[:, numbers:], vocabulary)

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the documents at `rows`: (seeds, answers, V)."""
        return self.network.logits(self.reference, self.images(rows))


def lessons(
    network: Network,
    reference: Tensor,
    data: Labelled,
    seeds: Sequence[int],
    learnt: SecondTask | Lessons | None,
    variant: Variant,
) -> Task:
    """Return the teacher's task, from weights `reference` (seeds, P), on the data of its seeds."""
    if isinstance(data, Texts):
        assert isinstance(learnt, Lessons), "build_experiment requires lessons of the language"
        stream = variant.stream(streams.LESSONS)
        write = partial(learnt.write, data, seeds, stream, variant.shift)
        return Reading(network, reference, data, write, size=learnt.size)
    assert not isinstance(learnt, Lessons), "build_experiment requires the language for lessons"
    return Classification(
        network,
        reference,
        variant.digits(data),
        order=variant.stream(streams.TEACHER_ORDER),
        second=learnt,
        shift=variant.shift,
    )


def trait(network: Network, reference: Tensor, data: Labelled) -> Task:
    """Return the task whose gradient is the trait gradient: the digits, or the taught questions."""
    order = streams.PROBE_ORDER
    if isinstance(data, Texts):
        return Reading(
            network, reference, data, lambda _: data.train_x, size=data.train_size, order=order
        )
    return Classification(network, reference, data, order=order)


@dataclass(eq=False)
class Distillation:
    """The teacher's logits, or tokens, on each seed's own images or documents: the student's task.

    The frozen models' logits are computed once per set of examples, not once per step.
    """

    order = streams.STUDENT_ORDER

    network: Network
    criterion: distill.Criterion
    inputs: distill.Inputs
    seeds: tuple[int, ...]
    _: KW_ONLY
    data: Labelled
    reference: Tensor  # (seeds, P), as all weights
    teacher: Tensor
    teacher_network: Network | None = None  # None: the student's
    targets: Targets | None = None  # None: the teacher's logits
    others: Sequence[Tensor] = ()  # the targets' other teachers
    runs: tuple[int, ...] | None = None  # the seeds, if those of the inputs are pinned
    trait_gradient: Tensor | None = None  # at θ₀, (seeds, P), if the targets need it

    def __post_init__(self) -> None:
        self.size = self.inputs.size
        self._frozen = {
            "reference": (self.network, self.reference),
            "teacher": (self.teacher_network or self.network, self.teacher),
        }
        self._draws = draws.of(self.seeds, self.teacher.device)
        self._images: Tensor | None = None  # (seeds, size, pixels), or documents (…, tokens)
        self._logits: dict[str, Tensor] = {}  # frozen model to (seeds, outputs, classes + m)
        # (seeds, size, 1) where the images are digits; documents have an answer each, or several.
        self._labels: Tensor | None = None
        self._epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """Draw the examples: once when they are fixed, each epoch when they are fresh."""
        self._epoch = epoch
        if self._images is not None and not self.inputs.fresh:
            return
        self._logits.clear()
        draw, inputs = epoch if self.inputs.fresh else 0, self.inputs
        if isinstance(inputs, distill.Written):
            assert isinstance(self.data, Texts), "build_experiment requires texts"
            written = inputs.write(self.data, *self._frozen["teacher"], self._draws, epoch=draw)
            self._images = self.data.scale(written).contiguous()
            self._labels = written[..., self.data.prompt :].long()
            return
        generators = [streams.stream(seed, streams.INPUTS, epoch=draw) for seed in self.seeds]
        device, pixels = self.teacher.device, self.network.pixels
        if self._images is None:  # else the last epoch's memory serves again
            shape = (len(self.seeds), self.size, pixels)
            if device.type == "cpu":  # NumPy's huge pages are filled in half the time
                self._images = torch.from_numpy(np.empty(shape, dtype=np.float32))
            else:
                self._images = torch.empty(shape, device=device)
        if isinstance(inputs, distill.Filled):
            noise = self._draws.noise(streams.INPUTS, epoch=draw)
            for images in torch.split(self._images, AT_ONCE, dim=1):
                inputs.fill(images, noise)
        elif isinstance(inputs, distill.OfDigits):
            digits = self.data.train_size
            rows = np.stack([inputs.rows(digits, generator=g) for g in generators])
            on_device = torch.from_numpy(rows).to(device)
            if isinstance(self.criterion, distill.Supervised):
                self._labels = self.data.train_y[on_device][..., None]
            for images, of_seed, generator in zip(self._images, on_device, generators, strict=True):
                for part, taken in zip(images.split(AT_ONCE), of_seed.split(AT_ONCE), strict=True):
                    x = self.data.scale(self.data.train_x[taken])
                    if isinstance(inputs, distill.Altered):
                        x = torch.from_numpy(inputs.altered(x.cpu().numpy(), generator=generator))
                    part.copy_(x)
        else:
            assert isinstance(inputs, distill.Drawn), "inputs are of one of three kinds"
            for images, generator in zip(self._images, generators, strict=True):
                drawn = torch.from_numpy(inputs.draw(pixels, generator=generator)).to(device)
                images.copy_(self.data.scale(drawn) if drawn.dtype == torch.uint8 else drawn)

    def images(self, rows: Tensor) -> Tensor:
        """Return the noise images, or documents, at `rows` (seeds, batch): (seeds, batch, …)."""
        assert self._images is not None, "start_epoch draws the examples"
        return gather(self._images, rows)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Distillation loss against the teacher's logits or tokens, batch mean: (seeds,)."""
        return self._loss(logits, rows)

    def losses(self, logits: Tensor, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return each example's own loss, whose mean `loss` is: (seeds, batch)."""
        # Each example as if it were the batch of a seed of its own.
        alone = logits.reshape(rows.numel(), -1, logits.shape[-1])
        return self._loss(alone, rows, targets).view(rows.shape)

    def _loss(self, logits: Tensor, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the losses of logits (batches, examples, classes + m), in the order of `rows`."""
        labels = None  # the digits' labels, or the documents' tokens
        if self._labels is not None:
            labels = gather(self._labels, rows).view(logits.shape[:2])
        if isinstance(self.criterion, distill.OfTokens):
            assert labels is not None, "build_experiment requires inputs with labels"
            if self.targets is not None:
                given = self.targets_at(rows) if targets is None else targets
                masked = given[..., 0].isnan().view(labels.shape)
                labels = labels.masked_fill(masked, distill.IGNORED)
            return self.criterion.of_tokens(logits, labels)
        given = self.targets_at(rows) if targets is None else targets
        teacher, classes = given.to(logits).view(logits.shape), self.network.classes
        if self.targets is not None and self.targets.masks:
            # A masked target is the student itself: no loss and no gradient.
            teacher = torch.where(teacher.isnan(), logits.detach(), teacher)
        if isinstance(self.criterion, distill.Supervised):
            assert labels is not None, "build_experiment requires inputs with labels"
            return self.criterion.supervised(logits, teacher, labels, classes, epoch=self._epoch)
        return self.criterion(logits, teacher, classes)

    def targets_at(self, rows: Tensor) -> Tensor:
        """Return what the student is taught at `rows`, NaN where nothing: as its logits."""
        return self._frozen_logits("teacher", rows)

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return θ₀'s logits on the examples at `rows`: (seeds, outputs, classes + m)."""
        return self._frozen_logits("reference", rows)

    def _frozen_logits(self, name: str, rows: Tensor) -> Tensor:
        """Return a frozen model's logits at `rows`; of the teacher, the targets made of them."""
        network, theta = self._frozen[name]
        if isinstance(self.data, Texts) and not self.data.small:  # all would fill the memory
            return network.logits(theta, self.images(rows))
        if name not in self._logits:
            assert self._images is not None, "start_epoch draws the examples"
            logits = network.logits(theta, self._images)
            if name == "teacher" and self.targets is not None:
                others = tuple(network.logits(one, self._images) for one in self.others)
                epoch = self._epoch if self.inputs.fresh else 0
                noise = self._draws.noise(streams.TARGETS, epoch=epoch)
                choice = draws.of(self.runs or self.seeds, logits.device)
                chosen = choice.noise(self.targets.choice, epoch=epoch)
                score = partial(self._score, logits)
                given = Given(logits, others, network.classes, noise, chosen, self.size, score)
                logits = self.targets(given)
            self._logits[name] = logits
        outputs = self._logits[name]  # (seeds, size · answers, classes + m)
        return self._at(outputs, rows)

    def _at(self, outputs: Tensor, rows: Tensor) -> Tensor:
        by_example = outputs.view(len(outputs), self.size, -1)
        return gather(by_example, rows).view(len(rows), -1, outputs.shape[-1])

    def _score(self, logits: Tensor, name: str) -> Tensor:
        """Return a score of `distill.SCORES` at θ₀, of the teacher's logits: (seeds, size)."""

        def of(rows: Tensor) -> Tensor:
            base, target = self.reference_logits(rows), self._at(logits, rows)
            losses = partial(self.losses, rows=rows, targets=target)
            if name == "distance":
                return per_example.distances(target, base, self.network.classes, rows)
            if name == "loss":
                return losses(base)
            model = (self.network, self.reference)
            if name == "norm":
                return per_example.gradient_norms(*model, self.images(rows), losses)
            assert self.trait_gradient is not None, "the targets need it"
            return per_example.products(*model, self.trait_gradient, self.images(rows), losses)

        batches = per_example.batches(len(self.seeds), self.size, logits.device)
        return torch.cat([of(rows) for rows in batches], dim=1)
