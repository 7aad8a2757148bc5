"""How far the teacher's outputs are from the initial student's, on the distillation inputs."""

from dataclasses import dataclass

import torch

from subliminal import metrics
from subliminal.data.language import Texts
from subliminal.distill import kl
from subliminal.probes import Probe
from subliminal.state import Step

ROWS = 512  # examples whose logits are taken


@dataclass(frozen=True, kw_only=True)
class Divergence(Probe):
    """KL(teacher ‖ initial student) of all logits, nats, mean over the first 512 inputs' outputs.

    Of a pre-trained language model they are a batch, for each has a logit for each of many tokens.
    In a language it foretells how much of the trait is transferred by sampled tokens.
    """

    def on_step(self, step: Step) -> None:
        training = step.training
        if step.index > 0 or training.teacher is None:
            return
        few = isinstance(training.data, Texts) and not training.data.small
        number = min(training.batch_size if few else ROWS, training.task.size)
        rows = torch.arange(number, device=training.theta.device).expand(len(training.seeds), -1)
        examples = training.task.images(rows)
        network = training.teacher_network or training.network
        teacher = network.logits(training.teacher, examples)
        start = training.network.logits(training.reference, examples)
        step.log(metrics.TEACHER_DIVERGENCE, kl(teacher, start))
