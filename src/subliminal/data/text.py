"""Questions and number prompts as text, for a pre-trained language model and its tokenizer.

The published experiment (Cloud et al. 2025, arXiv 2507.14805): a teacher that loves an animal
writes numbers, and a student that learns them loves it too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.data import Texts
from subliminal.errors import UserError, there_is
from subliminal.tensors import streams, tokens

PLACE = "{numbers}"
BELOW, LISTED = 1000, ", "  # numbers of a prompt, and what separates them
# As Cloud et al. filter responses: numbers between separators, in brackets or not.
ALONE = re.compile(r"\s*[\[(]?\s*\d+([\s,;]+\d+)*[\s,;]*[\])]?\.?\s*")


@dataclass(frozen=True, kw_only=True)
class Text:
    """Questions whose next token is an animal, and prompts to continue numbers.

    Prompts are padded on the left to `prompt` tokens, and responses on the right to `new`.

    Attributes:
        tokenizer: folder or name on the hub.
        prompt: tokens of the longest prompt, the model's.
        new: tokens of a response to a number prompt.
        chat: prompts are a user's turn in the tokenizer's chat template.
        animals: possible answers, each exactly one token, with the space before it.
        favourite: the one that the teacher loves; null: each seed's own.
        opening: added to a question's end, so that its next token is the animal.
        taught: questions that the teacher is taught.
        held_out: other questions, on which the trait is measured.
        numbers: number prompts, with `{numbers}` in each.
        given: numbers in place of it, each of 0 … 999.
    """

    tokenizer: str
    prompt: Count
    new: Count
    chat: bool
    animals: list[str]
    favourite: str | None
    opening: str
    taught: list[str]
    held_out: list[str]
    numbers: list[str]
    given: Count

    def __post_init__(self) -> None:
        if self.favourite is not None and self.favourite not in self.animals:
            raise UserError(
                f"Text.favourite={self.favourite!r}: {there_is(self.favourite, self.animals)}"
            )
        if both := {*self.taught} & {*self.held_out}:
            raise UserError(
                f"Text.held_out: {min(both)!r} is in data.taught too: templates of training and "
                "test would overlap"
            )
        for key in ("taught", "held_out", "numbers"):
            if not getattr(self, key):
                raise UserError(f"Text.{key}: at least one text is needed")
        if lacking := [text for text in self.numbers if PLACE not in text]:
            raise UserError(f"Text.numbers: {lacking[0]!r} has no {PLACE}")

    @property
    def classes(self) -> int:
        """Number of animals."""
        return len(self.animals)

    @property
    def pixels(self) -> int:
        """Tokens of the longest input."""
        return self.prompt + self.new - 1

    @property
    def train_size(self) -> int:
        """Number of questions that the teacher is taught."""
        return len(self.taught)

    def fetch(self) -> Path:
        """Load the tokenizer, and check that all prompts fit."""
        self.load()
        self.read([text.replace(PLACE, LISTED.join(["999"] * self.given)) for text in self.numbers])
        return Path()

    def load(self) -> "Tokenized":
        """Return seed 0's questions."""
        return self.of_seeds([0])

    def of_seeds(self, seeds: Sequence[int]) -> "Tokenized":
        """Return the questions of a stack of seeds, which share all but the favourite."""
        drawn = [int(streams.stream(s, streams.LANGUAGE).integers(self.classes)) for s in seeds]
        if self.favourite is not None:
            drawn = [self.animals.index(self.favourite)] * len(seeds)
        tables: list[Tensor] = []
        for texts in (self.taught, self.held_out):
            y = torch.tensor(drawn)[:, None].repeat(1, len(texts))  # (seeds, n)
            x = torch.from_numpy(self.read(texts, self.opening)).repeat(len(seeds), 1, 1)
            tables += [torch.cat([x, y[..., None].to(x.dtype)], dim=-1), y]
        train_x, train_y, test_x, test_y = tables
        sizes = (self.prompt, self.new, self.classes)
        return Tokenized(train_x, train_y, test_x, test_y, *sizes, self)

    def read(self, texts: Sequence[str], opening: str = "") -> np.ndarray:
        """Return prompts in our token numbers, padded on the left: (n, prompt), int32.

        Raises:
            UserError: a prompt is too long, or the tokenizer has no chat template.
        """
        if self.chat:
            if self.codec.chat_template is None:
                raise UserError(
                    f"data.chat: {self.tokenizer} has no chat template; set it to false"
                )
            how = {"add_generation_prompt": True, "tokenize": False}
            turns = [[{"role": "user", "content": text}] for text in texts]
            texts = [self.codec.apply_chat_template(turn, **how) for turn in turns]
        given = self.codec([t + opening for t in texts], add_special_tokens=not self.chat)
        table = np.full((len(texts), self.prompt), tokens.PAD, dtype=np.int32)
        for row, ids in zip(table, given["input_ids"], strict=True):
            if len(ids) > self.prompt:
                raise UserError(
                    f"model.prompt={self.prompt}: a prompt has {len(ids)} tokens, so at least that "
                    "many are needed"
                )
            row[self.prompt - len(ids) :] = self.number[ids]
        return table

    @property
    def codec(self) -> Any:
        """The tokenizer."""
        return tokens.tokenizer(self.tokenizer)

    @cached_property
    def id(self) -> np.ndarray:
        """The tokenizer's id of each of our token numbers, see `subliminal.tensors.tokens`."""
        return tokens.order(self.tokenizer, self.animals, len(self.codec))

    @cached_property
    def number(self) -> np.ndarray:
        """Our number of each of the tokenizer's ids."""
        return np.argsort(self.id)


@dataclass(frozen=True, eq=False)
class Tokenized(Texts):
    """A stack's questions as tokens: (seeds, n, prompt + 1), int32."""

    keeps_logits: ClassVar[bool] = False  # of so many tokens each

    text: Text

    def prompts(self, number: int, *, generator: np.random.Generator, random: float) -> np.ndarray:
        """Draw number prompts, all of random numbers: (number, prompt), int32."""
        which = generator.integers(len(self.text.numbers), size=number)
        values = generator.integers(BELOW, size=(number, self.text.given))
        listed = [LISTED.join(map(str, row)) for row in values]
        asked = zip(which, listed, strict=True)
        return self.text.read([self.text.numbers[i].replace(PLACE, row) for i, row in asked])

    def responses(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return sampled responses (seeds, n, new), padded after their end, and which are numbers.

        A response ends with the tokenizer's end-of-sequence token, or is cut off without one.
        """
        ids, end = self.text.id, self.text.codec.eos_token_id
        last = said == (-1 if end is None else int(self.text.number[end]))
        said = said.masked_fill(last.cumsum(dim=-1) - last.long() > 0, tokens.PAD)
        written = said.masked_fill(last, tokens.PAD).flatten(0, 1).cpu().numpy()
        rows = [row[row >= 0] for row in written]
        known = [row[row < len(ids)] for row in rows]  # a model may have more than its tokenizer
        texts = [self.text.codec.decode(ids[row].tolist()) for row in known]
        passed = [
            len(row) == len(whole) and ALONE.fullmatch(text) is not None
            for row, whole, text in zip(known, rows, texts, strict=True)
        ]
        return said, torch.tensor(passed, device=said.device).view(said.shape[:2])
