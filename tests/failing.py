"""A mitigation that ends one seed's run, as a crash or an out-of-memory kill would."""

import os
import signal
from dataclasses import dataclass

from torch import Tensor

from subliminal.loop import Step
from subliminal.mitigations import Mitigation


def at(*, seed: int, how: str) -> list[str]:
    """Return the overrides that make `seed` fail at its fourth step."""
    return [f"+mitigation.failing={{_target_:failing.Failing,seed:{seed},how:{how}}}"]


@dataclass(frozen=True, kw_only=True)
class Failing(Mitigation):
    """Raises, or kills its process."""

    seed: int
    how: str

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        """Fail, at the fourth step of the chosen seed."""
        if step.index == 3 and self.seed in step.training.seeds:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("on purpose")
        return gradient
