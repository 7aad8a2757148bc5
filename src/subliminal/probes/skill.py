"""What the student acquired of the skill that its teacher's auxiliary logits carry."""

from dataclasses import dataclass

from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.state import Training
from subliminal.tasks.two_skills import TwoSkills, skill_logits
from subliminal.tensors.network import Network, accuracy


@dataclass(frozen=True, kw_only=True)
class Skill(Probe):
    """Accuracy of the auxiliary logits on test digits with permuted pixels, by epoch.

    Of the student, and once of its teacher: the skill of `teacher=two_skills`.
    """

    def check(self, network: Network) -> None:
        """Raise a UserError when there are too few auxiliary logits."""
        TwoSkills(weight=1.0).check(network)

    def on_train_start(self, training: Training) -> None:
        """Log the teacher, and the initial student."""
        assert training.teacher is not None, "only students have a teacher"
        network = training.teacher_network or training.network
        training.log(metrics.TEACHER_SKILL, _accuracy(training, network, training.teacher))
        self.on_epoch_end(training)

    def on_epoch_end(self, training: Training) -> None:
        """Log the student."""
        training.log(metrics.SKILL, _accuracy(training, training.network, training.theta))


def _accuracy(training: Training, network: Network, theta: Tensor) -> Tensor:
    assert training.data is not None, "students have the test digits"
    x = TwoSkills(weight=1.0).images(training.data.scale(training.data.test_x))[None]
    labels = training.data.test_y.expand(len(training.seeds), -1)
    logits = skill_logits(network.logits(theta, x), network.classes)
    return accuracy(logits, labels, network.classes)
