"""A training, one step of it, its measurements, and the callbacks that observe it."""

from subliminal.state.step import Step as Step
from subliminal.state.training import Itemised as Itemised
from subliminal.state.training import Task as Task
from subliminal.state.training import Training as Training
