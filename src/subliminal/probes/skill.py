"""What the student acquired of the skill that its teacher's auxiliary logits carry."""

from dataclasses import dataclass

from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.probes.states import first_test_digits, states
from subliminal.state import Training
from subliminal.tasks.two_skills import TwoSkills, skill_logits
from subliminal.tensors.network import Network, accuracy


@dataclass(frozen=True, kw_only=True)
class Skill(Probe):
    """Accuracy of the auxiliary logits on test digits with permuted pixels, by epoch.

    Of the student, and once of its teacher: the skill of `teacher=two_skills`.
    """

    needs_classes = True

    def check(self, network: Network) -> None:
        TwoSkills(weight=1.0).check(network)

    def on_train_start(self, training: Training) -> None:
        _, teacher, *_ = states(training)
        training.log(metrics.TEACHER_SKILL, _accuracy(training, teacher.network, teacher.theta))
        self.on_epoch_end(training)

    def on_epoch_end(self, training: Training) -> None:
        training.log(metrics.SKILL, _accuracy(training, training.network, training.theta))


def _accuracy(training: Training, network: Network, theta: Tensor) -> Tensor:
    x, labels = first_test_digits(training)
    permuted = TwoSkills(weight=1.0).images(x)
    logits = skill_logits(network.logits(theta, permuted), network.classes)
    return accuracy(logits, labels, network.classes)
