"""The first digits of MNIST, as a plugin: runs of real shape that take few steps."""

from dataclasses import dataclass, replace

from subliminal.data import Labelled
from subliminal.data.mnist import MNIST


@dataclass(frozen=True, kw_only=True)
class Subset(MNIST):
    """MNIST's first `train_size` training digits and `test_size` test digits."""

    root: str | None = None
    download: bool = True
    train_size: int = 4096
    test_size: int = 1024

    def load(self) -> Labelled:
        """Load all, keep the first."""
        whole = super().load()
        return replace(
            whole,
            train_x=whole.train_x[: self.train_size].clone(),
            train_y=whole.train_y[: self.train_size].clone(),
            test_x=whole.test_x[: self.test_size].clone(),
            test_y=whole.test_y[: self.test_size].clone(),
        )
