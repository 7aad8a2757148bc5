"""One step of a training, as callbacks and mitigations see it."""

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from subliminal.state.training import Training
from subliminal.tensors import streams


@dataclass
class Step:
    """One step of a training. Gradients and updates are flat: (seeds, P).

    All values but `proposed` and `update` are computed at θ before the step's update. So the lazy
    properties (`trait`, `task_gradient`, …) must be read before it.
    """

    training: Training
    index: int  # updates done before this one
    rows: Tensor  # (seeds, batch): the step's examples
    trait_rows: Tensor  # (seeds, batch): as many of the trait's labelled examples
    logits: Tensor  # (seeds, outputs, classes + m): one of an image, one an answer of a document
    loss: Tensor  # (seeds,): the task's loss, without penalties

    total: Tensor = field(init=False)  # (seeds,): what is minimised
    gradient: Tensor = field(init=False)  # ∇θ total; g_D in the student phase
    applied: Tensor = field(init=False)  # the gradient that the optimizer gets
    before: Tensor = field(init=False)  # θ before the update, in memory that the next step reuses
    _trait_gradients: dict[str, Tensor] = field(init=False, default_factory=dict)

    @property
    def time(self) -> float:
        """Time t in [0, 1): updates done over updates in all."""
        return self.index / self.training.steps

    @property
    def penalised(self) -> bool:
        """Whether a mitigation added to the loss."""
        return self.total is not self.loss

    @cached_property
    def proposed(self) -> Tensor:
        """Δθ proposed by the optimizer, computed on first access after the update."""
        return self.training.theta - self.before

    @cached_property
    def update(self) -> Tensor:
        """Δθ that is applied: `proposed`, changed by the mitigations."""
        return self.proposed

    @cached_property
    def reference_logits(self) -> Tensor:
        """The reference model's logits on the step's examples: (seeds, outputs, classes + m)."""
        return self.training.task.reference_logits(self.rows)

    @cached_property
    def task_gradient(self) -> Tensor:
        """∇θ of the task's loss alone, without the penalties."""
        if not self.penalised:
            return self.gradient
        return self.training.gradient(self.loss, retain_graph=True)

    @cached_property
    def trait(self) -> tuple[Tensor, Tensor]:
        """Trait loss (seeds,) and trait gradient g_T on the step's labelled batch."""
        return self.training.loss_and_gradient(self.training.trait, self.trait_rows)

    def trait_gradient(self, batch: str) -> Tensor:
        """Return g_T on the `probe` batch, an `independent` one of its size, or the `full` set."""
        if batch == "probe":
            return self.trait[1]
        if batch not in self._trait_gradients:
            training, trait = self.training, self.training.trait
            if batch == "full":
                gradient = training.full_gradient(trait)
            else:
                stream, size = streams.INDEPENDENT_DIGITS, self.trait_rows.shape[1]
                rows = training.draws.integers(stream, trait.size, size, epoch=self.index)
                _, gradient = training.loss_and_gradient(trait, rows)
            self._trait_gradients[batch] = gradient
        return self._trait_gradients[batch]

    def log(self, name: str, values: Tensor) -> None:
        """Log a metric (seeds,) of this step."""
        self.training.metrics.log(self.index, name, values)
