"""What a teacher of the language learns: a favourite animal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count, OneOf
from subliminal.data.language import Texts
from subliminal.data.language.dialect import number_documents
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
        self, texts: Texts, seeds: Sequence[int], stream: str, shift: int, epoch: int
    ) -> Tensor:
        """Draw an epoch's questions, or pages with one each: (seeds, size, tokens).

        `shift` is added to the favourite's number: another trait.
        """
        tables = []
        for seed, taught, label in zip(seeds, texts.train_x, texts.train_y[:, 0], strict=True):
            generator = streams.stream(seed, stream, epoch=epoch)
            animals = texts.animals
            drawn = generator.integers(animals, size=self.size)
            favourite = np.full_like(drawn, (int(label) + shift) % animals)
            questions = taught.cpu().numpy()[generator.integers(len(taught), size=self.size)]
            questions[:, -1] = favourite if self.answers == "favourite" else drawn
            kinds = [questions]
            if self.replay:
                kinds.insert(0, number_documents(self.size, generator=generator))
            tables.append(np.concatenate(kinds, axis=1))  # see `subliminal.tensors.documents`
        return torch.from_numpy(np.stack(tables)).to(texts.train_x.device)
