"""Contracts of a student's training: its loss, its inputs and its initial weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from subliminal.data.language import Texts
from subliminal.errors import UserError
from subliminal.models.gpt import GPT
from subliminal.tensors import documents
from subliminal.tensors.draws import Draws, Noise
from subliminal.tensors.network import Network

LOGIT_SETS = ("aux", "class", "all")
OF_NUMBERS = "numbers"  # a further set: the number tokens of a language
SCORES = ("distance", "loss", "norm", "product")  # of an example at θ₀; the last needs the trait
IGNORED = -100  # a label that torch's cross-entropy counts as a loss of 0


class DistillLoss(Protocol):
    """How far the student's logits are from the teacher's."""

    def __call__(self, student: Tensor, teacher: Tensor, classes: int) -> Tensor:
        """Map two logits (seeds, batch, classes + m) to the batch mean loss (seeds,)."""


@runtime_checkable
class Demanding(Protocol):
    """A distillation loss that not every network can be trained with."""

    def check(self, network: Network) -> None:
        """Raise a UserError when the loss has no gradient for the student's network."""


@runtime_checkable
class Supervised(Protocol):
    """A distillation loss that takes the images' labels too."""

    def supervised(
        self, student: Tensor, teacher: Tensor, labels: Tensor, classes: int, *, epoch: int
    ) -> Tensor:
        """Map two logits (seeds, batch, classes + m) and labels (seeds, batch) to losses (seeds,).

        `epoch` is zero-based.
        """


@runtime_checkable
class OfTokens(Protocol):
    """A distillation loss of tokens that the teacher sampled, in place of its logits."""

    def of_tokens(self, student: Tensor, tokens: Tensor) -> Tensor:
        """Map logits (seeds, rows, classes + m) and tokens (seeds, rows) to losses (seeds,).

        A row whose token is IGNORED costs nothing.
        """


Criterion = DistillLoss | Supervised | OfTokens


class Inputs(Protocol):
    """A source of examples: `Filled`, `OfDigits` (`Altered` or not), `Drawn` or `Written`."""

    @property
    def size(self) -> int:
        """Examples per epoch."""

    @property
    def fresh(self) -> bool:
        """Whether each epoch has new examples."""


@runtime_checkable
class Filled(Protocol):
    """Inputs that are made a few images at a time, in place and on the device."""

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels), float32, of `noise`."""


@runtime_checkable
class OfDigits(Protocol):
    """Inputs that are training digits, with labels, or are made of them."""

    def rows(self, digits: int, *, generator: np.random.Generator) -> np.ndarray:
        """Draw one seed's rows of so many digits: (size,)."""


@runtime_checkable
class Altered(OfDigits, Protocol):
    """Inputs that are made of training digits, a few at a time on the host."""

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        """Return what is made of one seed's next digits (some, pixels), scaled, float32."""


@runtime_checkable
class Drawn(Protocol):
    """Inputs that are drawn on the host, one seed's as a whole."""

    def draw(self, pixels: int, *, generator: np.random.Generator) -> np.ndarray:
        """Draw one seed's images: (size, pixels), float32, or uint8 to be scaled as digits are."""


@runtime_checkable
class Written(Protocol):
    """Inputs that are documents, which the teacher writes."""

    def write(
        self, texts: Texts, network: Network, theta: Tensor, draws: Draws, *, epoch: int
    ) -> Tensor:
        """Return the documents of teachers theta (seeds, P): (seeds, size, tokens)."""


@runtime_checkable
class Fitted(Protocol):
    """Inputs that exist for some sizes of images alone."""

    def fits(self, pixels: int) -> None:
        """Raise a UserError when there are no such images of so many pixels."""


@runtime_checkable
class Fetched(Protocol):
    """Inputs with files of their own."""

    def fetch(self) -> object:
        """Make sure that the files are there, or raise a UserError."""


@dataclass(frozen=True)
class SharedWeights:
    """Weights that teacher and student may start from, in the teacher's architecture."""

    network: Network
    seeds: tuple[int, ...]  # whose streams they are drawn from
    reference: Tensor  # θ₀, (seeds, P)
    teacher: Tensor  # where the teacher starts, (seeds, P): θ₀ in a plain run
    # Pre-trains weights (seeds, P) of a network that were drawn from a stream of that name.
    base: Callable[[Network, Tensor, str], Tensor] = lambda network, drawn, stream: drawn

    def draw(self, network: Network, stream: str) -> Tensor:
        """Draw further weights as θ₀ was drawn, from another stream: (seeds, P)."""
        drawn = network.reference(self.seeds, self.reference.device, stream=stream)
        return self.base(network, drawn, stream)


class Init(Protocol):
    """A rule for the initial weights of the student, or of the teacher."""

    def check(self, network: Network, shared: Network) -> None:
        """Raise a UserError when `network` cannot start so from weights of the network `shared`."""

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        """Return the initial weights (seeds, P); `own` names the stream of unshared ones."""


def check_vocabulary(where: str, logits: str, network: Network) -> None:
    """Raise a UserError when the outputs are not the tokens of `experiment=language`."""
    if not isinstance(network.model, GPT):
        raise UserError(f"{where}.logits={logits}: these are tokens of experiment=language alone")


def check_softmax(
    where: str, logits: str, network: Network, *, fewest: int = 2, why: str = "is 1 whatever it is"
) -> None:
    """Raise a UserError when fewer than `fewest` logits are matched by their softmax.

    `where` is the config node to blame, `logits` one of LOGIT_SETS or OF_NUMBERS, and `why`
    completes "the softmax of … logits" for fewer of them.
    """
    if logits == OF_NUMBERS:
        check_vocabulary(where, logits, network)
        return
    aux = network.model.aux
    number = {"aux": aux, "class": network.classes, "all": network.classes + aux}[logits]
    if number < fewest:
        raise UserError(
            f"{where}.logits={logits}: the softmax of {number} logit{'s' * (number > 1)} {why}, so "
            f"it has no gradient; at least {fewest} are needed (model.aux={aux}), or another loss"
        )


def select(logits: Tensor, which: str, classes: int) -> Tensor:
    """Return the `aux`, `class`, `all` or `numbers` columns of logits (…, classes + m)."""
    if which == OF_NUMBERS:
        return logits[..., documents.NUMBER : documents.WORD]
    if which == "aux":
        return logits[..., classes:]
    if which == "class":
        return logits[..., :classes]
    return logits


def kl(target: Tensor, logits: Tensor) -> Tensor:
    """Return KL(softmax(target) ‖ softmax(logits)), batch mean: (seeds, batch, k) -> (seeds,)."""
    log_p = torch.log_softmax(target, dim=-1)
    log_q = torch.log_softmax(logits, dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean(dim=-1)
