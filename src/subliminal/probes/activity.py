"""Whether a defence acts on a step, whether there is a gradient, and what moves."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.probes.states import states
from subliminal.state import Step, Training
from subliminal.tensors.geometry import norm, widest


@dataclass(frozen=True, kw_only=True)
class Activity(Probe):
    """Measures by which a defence at work differs from a training that is broken, step by step.

    - `activity/changed`: 1 where mitigations changed the loss, the gradient or the update, else 0;
    - `activity/gradient`: norm of the gradient that the optimizer got;
    - `activity/moved`: share of the parameters that the step moved;
    - `activity/teacher`, by epoch: how far the teacher is from where it started, which no student's
      training may change.
    """

    def on_train_start(self, training: Training) -> None:
        self.on_epoch_end(training)

    def on_update(self, step: Step) -> None:
        changed = (step.total != step.loss) | (step.applied != step.gradient).any(dim=1)
        changed = changed | (step.update != step.proposed).any(dim=1)
        moved = (step.update != 0).sum(dim=1)
        size = step.training.network.layout.parameters
        of_device = widest(moved.device)
        step.log(metrics.ACTIVITY_CHANGED, changed.to(of_device))
        step.log(metrics.ACTIVITY_GRADIENT, norm(step.applied))
        step.log(metrics.ACTIVITY_MOVED, moved.to(of_device) / size)

    def on_epoch_end(self, training: Training) -> None:
        start, teacher, *_ = states(training)
        training.log(metrics.ACTIVITY_TEACHER, norm(teacher.theta - start.theta))
