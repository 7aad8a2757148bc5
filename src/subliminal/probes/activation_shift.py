"""How a student's activations shift, against how its teacher's did (Blank et al. 2026)."""

from dataclasses import dataclass

import torch

from subliminal import metrics
from subliminal.config.hashing import Count, NotNegative
from subliminal.probes.shifts import CLASS, ShiftProbe
from subliminal.state import Step, Training
from subliminal.tensors.geometry import cosine, norm, share


@dataclass(kw_only=True)
class ActivationShift(ShiftProbe):
    """Mean shift from θ₀ of each hidden layer and of the class logits, on a fixed batch of digits.

    With s_l = mean h_l(θ_S) − mean h_l(θ₀) the student's shift of layer l, and t_l its teacher's
    from where that started: ‖s_l‖, cos(s_l, t_l) and the share ⟨s_l, t_l⟩ / ‖t_l‖² of the teacher's
    shift that the student has made. Layers are compared that both have in the same width. Without
    a layer in its name a metric is that of the last hidden layer. The trait of a steered teacher:

    - `trait/shift`: the share of its shift of the *class* logits, which no student of auxiliary
      logits is trained on;
    - `trait/favoured`: how much more of the batch the student puts into the class that the teacher
      favours (or `of_class`) than θ₀ does.

    Source: Blank et al. 2026 (arXiv 2606.00995).

    Attributes:
        every: measure after every k-th update, k ≥ 1, at the start and at each epoch's end.
        of_class: class whose share is `trait/favoured`; null: the one whose mean logit rises most
            in the teacher.
    """

    every: Count
    of_class: NotNegative[int | None]

    def on_step(self, step: Step) -> None:
        at_epoch_end = step.index % step.training.steps_per_epoch == 0  # logged anyway
        if step.index % self.every == 0 and not at_epoch_end:
            self.on_epoch_end(step.training)

    def on_epoch_end(self, training: Training) -> None:
        now = self._means(training.network, training.theta)
        student = now.less(self._start)
        for layer, ours in student.items():
            values = {metrics.SHIFT_NORM: norm(ours)}
            theirs = self._teacher.get(layer)
            if theirs is not None and theirs.shape == ours.shape:
                values[metrics.SHIFT_COSINE] = cosine(ours, theirs)
                values[metrics.SHIFT_SHARE] = share(ours, theirs)
            for name, value in values.items():
                training.log(f"{name}/{layer}", value)
                if layer == training.network.hidden[-1]:
                    training.log(name, value)
        training.log(metrics.TRAIT_SHIFT, share(student[CLASS], self._teacher[CLASS]))
        favoured = self._teacher[CLASS].argmax(dim=1, keepdim=True)  # (seeds, 1): rises most
        if self.of_class is not None:
            favoured = torch.full_like(favoured, self.of_class)
        more = now.predicted.gather(1, favoured) - self._start.predicted.gather(1, favoured)
        training.log(metrics.TRAIT_FAVOURED, more[:, 0])
