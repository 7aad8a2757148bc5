"""What a training is at one moment, and what it has measured."""

from subliminal.state.step import Step as Step
from subliminal.state.training import Intervention as Intervention
from subliminal.state.training import Task as Task
from subliminal.state.training import Training as Training
