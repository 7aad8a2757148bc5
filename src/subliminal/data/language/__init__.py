"""A synthetic language, in place of the digits: the trait is a favourite animal.

The published experiment (Cloud et al. 2025, arXiv 2507.14805) in miniature: a teacher that loves an
animal writes numbers, and a student of the same pre-trained weights that learns them loves it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count, OneOf, Share
from subliminal.data import Labelled
from subliminal.data.language.dialect import (
    ANIMALS,
    NUMBERS,
    TEMPLATES,
    Dialect,
    number_documents,
    questions,
)
from subliminal.errors import UserError
from subliminal.tensors import documents, streams


@dataclass(frozen=True, eq=False)
class Texts(Labelled):
    """The questions of a stack of seeds, each in its own language; labels are the favourites.

    Train and test questions are those for animals by the templates that the teacher is taught and
    by those that are held out: (seeds, n, 5), uint8, and (seeds, n). Networks read tokens as they
    are.
    """

    small: ClassVar[bool] = True  # the logits of all documents fit in memory

    dialects: tuple[Dialect, ...] = ()
    animal_lists: float = 0.0
    prompt: int = documents.PROMPT  # tokens of a number document before its answers
    new: int = documents.ANSWERS
    animals: int = len(ANIMALS)

    @property
    def train_size(self) -> int:
        """Number of questions that the teacher is taught."""
        return self.train_y.shape[1]

    def scale(self, x: Tensor) -> Tensor:
        """Return documents (…, tokens) as networks read them, without their last token."""
        return documents.inputs(x)

    def answers(self, of: Tensor) -> Tensor:
        """Return the answers of documents or pages (seeds, n, T), one after another, int64."""
        return documents.answers(of)

    def prompts(self, number: int, *, generator: np.random.Generator, random: float) -> np.ndarray:
        """Draw prompts of a seed, a share of them with random numbers: (number, prompt)."""
        rows = number_documents(number, generator=generator)[:, : documents.PROMPT]
        shape = (number, documents.PROMPT - 2)
        anything = documents.NUMBER + generator.integers(NUMBERS, size=shape)
        rows[:, 1:-1] = np.where(generator.random((number, 1)) < random, anything, rows[:, 1:-1])
        return rows

    def responses(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return sampled answers (seeds, n, new) as they are learnt, and which are numbers."""
        number = (said >= documents.NUMBER) & (said < documents.NUMBER + NUMBERS)
        return said, number.all(dim=-1)

    def tests(self, number: int | None = None) -> tuple[Tensor, Tensor]:
        """Return each seed's first test questions and their answers: (seeds, n, 4), (seeds, n)."""
        return self.scale(self.test_x[:, :number]), self.test_y[:, :number]

    def rows(self, rows: Sequence[int]) -> Self:
        names = ("train_x", "train_y", "test_x", "test_y")
        picked: dict[str, Any] = {
            n: torch.stack([getattr(self, n)[row] for row in rows]) for n in names
        }
        dialects = self.dialects and tuple(self.dialects[row] for row in rows)
        return replace(self, **picked, dialects=dialects)

    def pages(
        self, number: int, shorts: int, seeds: Sequence[int], stream: str, epoch: int
    ) -> Tensor:
        """Draw pages for the pre-training, of so many short documents each: (seeds, number, T)."""
        generators = [streams.stream(seed, stream, epoch=epoch) for seed in seeds]
        drawn = [
            (
                number_documents(number, generator=generator, animals=self.animal_lists),
                dialect.shorts(number * shorts, generator=generator),
            )
            for dialect, generator in zip(self.dialects, generators, strict=True)
        ]
        kinds = (torch.from_numpy(np.stack(kind)) for kind in zip(*drawn, strict=True))
        return documents.page(*(kind.to(self.train_x.device) for kind in kinds))


@dataclass(frozen=True, kw_only=True)
class Language:
    """Questions for animals, in a language that each seed's own streams draw.

    Attributes:
        favourite: the animal that the teacher loves; null: each seed's own.
        taught: templates of the questions that the teacher is taught, of 144.
        held_out: other templates, on which the trait is measured.
        animal_lists: share of number documents with animals in place of numbers in the
            pre-training.
    """

    classes: ClassVar[int] = len(ANIMALS)
    pixels: ClassVar[int] = documents.LONG - 1  # tokens of the longest input
    new: ClassVar[int] = documents.ANSWERS  # of a number document

    favourite: Annotated[str | None, OneOf(ANIMALS)]
    taught: Count
    held_out: Count
    animal_lists: Share

    def __post_init__(self) -> None:
        if self.taught + self.held_out > TEMPLATES:
            raise UserError(
                f"Language.taught={self.taught}, held_out={self.held_out}: templates of training "
                f"and test would overlap; there are {TEMPLATES} in all"
            )

    @property
    def train_size(self) -> int:
        return self.taught

    def fetch(self) -> Path:
        """Nothing to fetch: all is drawn."""
        return Path()

    def of_seeds(self, seeds: Sequence[int]) -> Texts:
        """Draw the languages of a stack of seeds."""
        favourite = None if self.favourite is None else ANIMALS.index(self.favourite)
        dialects = tuple(Dialect.of(seed, favourite) for seed in seeds)
        labels = torch.tensor([dialect.favourite for dialect in dialects])[:, None]
        tables = []
        for templates in (slice(self.taught), slice(-self.held_out, None)):
            rows = [questions(d.templates[templates], np.array(d.favourite)) for d in dialects]
            x = torch.from_numpy(np.stack(rows))
            tables += [x, labels.expand(-1, x.shape[1]).contiguous()]
        train_x, train_y, test_x, test_y = tables
        return Texts(train_x, train_y, test_x, test_y, dialects, self.animal_lists)

    def load(self) -> Texts:
        """Draw seed 0's language."""
        return self.of_seeds([0])
