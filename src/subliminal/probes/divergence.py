"""How far the teacher's outputs are from the initial student's, on the distillation inputs."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.data.language import Texts
from subliminal.distill import kl
from subliminal.probes import Probe
from subliminal.probes.states import first_images
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
        examples = first_images(training, training.task, training.batch_size if few else ROWS)
        network = training.teacher_network or training.network
        teacher = network.logits(training.teacher, examples)
        start = training.network.logits(training.reference, examples)
        step.log(metrics.TEACHER_DIVERGENCE, kl(teacher, start))
