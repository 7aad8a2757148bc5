"""The number of a step where the device must know it."""

from collections.abc import Callable

import torch
from torch import Tensor

from subliminal.errors import UserError

_SLOTS = 16


class Clock:
    """What changes from one replay of a captured step to the next, in memory that the device reads.

    Attributes:
        tick: the number of updates done, int64, without dimensions.
    """

    def __init__(self, device: torch.device) -> None:
        self.tick = torch.zeros((), dtype=torch.int64, device=device)
        self._slots = torch.zeros(_SLOTS, device=device)
        self._values: list[Callable[[int], float]] = []

    def scheduled(self, value: Callable[[int], float]) -> Tensor:
        """Return a number, float32, that is `value(index)` at each step."""
        self._values.append(value)
        return self._slots[len(self._values) - 1]

    def set(self, index: int) -> None:
        """Let it be the step after `index` updates."""
        self.tick.fill_(index)
        for slot, value in enumerate(self._values):
            self._slots[slot].fill_(value(index))


def not_replayable(observer: object) -> UserError:
    """Return what refuses a mitigation or callback without a `moment`."""
    return UserError(
        f"engine.capture=true: {type(observer).__name__} does not say at which steps it does the "
        "same (it has no `moment`), so they cannot be replayed"
    )
