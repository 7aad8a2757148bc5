"""What a teacher of the language learns: a favourite animal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count, OneOf
from subliminal.data.language import Texts
from subliminal.data.language.dialect import ANIMALS, number_documents, questions
from subliminal.tensors import streams
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Questions for animals by the templates that are taught, new ones each epoch.

    Attributes:
        size: questions per epoch.
        answers: favourite (the seed's animal) | uniform (any: a neutral teacher, the null).
        replay: read a number document of the pre-training beside each question, so that the
            teacher's numbers stay closer to the base's.
    """

    size: Count
    answers: Annotated[str, OneOf(("favourite", "uniform"))]
    replay: bool

    def check(self, network: Network) -> None:
        """Any network that reads will do."""

    def write(
        self, texts: Texts, seeds: Sequence[int], stream: str, *, epoch: int, shift: int = 0
    ) -> Tensor:
        """Draw an epoch's questions, or pages with one each: (seeds, size, 5 or 20), uint8.

        `shift` is added to the favourite's number: another trait.
        """
        tables = []
        for seed, dialect in zip(seeds, texts.dialects, strict=True):
            generator = streams.stream(seed, stream, epoch=epoch)
            taught = dialect.templates[: texts.train_y.shape[1]]
            animals = len(ANIMALS)
            drawn = generator.integers(animals, size=self.size)
            favourite = np.full_like(drawn, (dialect.favourite + shift) % animals)
            answer = favourite if self.answers == "favourite" else drawn
            kinds = [questions(taught[generator.integers(len(taught), size=self.size)], answer)]
            if self.replay:
                kinds.insert(0, number_documents(self.size, generator=generator))
            tables.append(np.concatenate(kinds, axis=1))  # see `subliminal.tensors.documents`
        return torch.from_numpy(np.stack(tables)).to(texts.train_x.device)
