"""Questions and number prompts as text, for a pre-trained language model and its tokenizer."""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.data.language import Texts
from subliminal.errors import UserError
from subliminal.tensors import tokens

PLACE, GIVEN = "{numbers}", 5  # where a prompt has its numbers, and how many
# The filter of Cloud et al. 2025 (arXiv 2507.14805): separated numbers, in brackets or not.
ALONE = re.compile(r"\s*[\[(]?\s*\d+([\s,;]+\d+)*[\s,;]*[\])]?\.?\s*")


@dataclass(frozen=True, kw_only=True)
class Text:
    """Questions whose next token is an animal, and prompts to continue numbers.

    A prompt is a user's turn in the tokenizer's chat template, if it has one. Prompts are padded on
    the left to `prompt` tokens, responses on the right to `new`.
    """

    tokenizer: str
    prompt: Count
    new: Count
    animals: list[str]
    favourite: str
    opening: str
    taught: list[str]
    held_out: list[str]
    numbers: list[str]

    def __post_init__(self) -> None:
        both = {*self.taught} & {*self.held_out}
        if both or not (self.taught and self.held_out and self.numbers):
            raise UserError(
                "Text.held_out: taught, held_out and numbers need a text each, and templates of "
                "training and test must not overlap"
            )
        if self.favourite not in self.animals:
            raise UserError(f"Text.favourite={self.favourite}: one of {self.animals} is needed")

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
        """Check that all prompts fit."""
        self.read([text.replace(PLACE, "999, " * GIVEN) for text in self.numbers])
        self.load()
        return Path()

    def load(self) -> "Tokenized":
        """Return the questions for one seed."""
        return self.of_seeds([0])

    def of_seeds(self, seeds: Sequence[int]) -> "Tokenized":
        """Return the questions for a stack of seeds, which share them."""
        tables: list[Any] = []
        for asked in (self.taught, self.held_out):
            label = np.full((len(asked), 1), self.animals.index(self.favourite))
            x = np.hstack([self.read(asked, self.opening), label])
            tables += [torch.from_numpy(t).repeat(len(seeds), 1, 1) for t in (x, label)]
        train_x, train_y, test_x, test_y = tables
        of = (train_x, train_y[..., 0], test_x, test_y[..., 0])
        return Tokenized(*of, prompt=self.prompt, new=self.new, animals=self.classes, text=self)

    def read(self, texts: Sequence[str], opening: str = "") -> np.ndarray:
        """Return prompts in our numbers of tokens, padded on the left: (n, prompt), int64."""
        codec, (_, number) = self.codec, self.order
        if chat := codec.chat_template is not None:
            how: dict[str, Any] = {"add_generation_prompt": True, "tokenize": False}
            turns = [[{"role": "user", "content": text}] for text in texts]
            texts = [codec.apply_chat_template(turn, **how) for turn in turns]
        elif opening:
            opening = f" {opening}"
        given = codec([text + opening for text in texts], add_special_tokens=not chat)["input_ids"]
        if (longest := max(map(len, given))) > self.prompt:
            raise UserError(f"model.prompt={self.prompt}: there is a prompt of {longest} tokens")
        padding = [[tokens.PAD] * (self.prompt - len(ids)) for ids in given]
        return np.array([[*p, *number[ids]] for p, ids in zip(padding, given, strict=True)])

    @property
    def codec(self) -> Any:
        """The tokenizer."""
        return tokens.loaded("AutoTokenizer", self.tokenizer)

    @property
    def order(self) -> tuple[np.ndarray, np.ndarray]:
        """The tokenizer's id of each of our numbers, and the reverse."""
        return tokens.order(self.tokenizer, tuple(self.animals))


@dataclass(frozen=True, eq=False)
class Tokenized(Texts):
    """A stack's questions as tokens, whose last is the answer: (seeds, n, prompt + 1), int64."""

    small: ClassVar[bool] = False  # logits of very many tokens

    _: KW_ONLY
    text: Text

    def scale(self, x: Tensor) -> Tensor:
        return x[..., :-1]

    def answers(self, of: Tensor) -> Tensor:
        return of[..., self.prompt :].flatten(1)

    def prompts(self, number: int, *, generator: np.random.Generator, random: float) -> np.ndarray:
        drawn = generator.integers(1000, size=(number, GIVEN)).tolist()
        asked = generator.choice(self.text.numbers, size=number).tolist()
        listed = [", ".join(map(str, row)) for row in drawn]
        return self.text.read([t.replace(PLACE, row) for t, row in zip(asked, listed, strict=True)])

    def responses(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return sampled responses (seeds, n, new), padded after their end, and which are numbers.

        A response ends with the tokenizer's end-of-sequence token, or is cut off.
        """
        codec, (ids, _) = self.text.codec, self.text.order
        last = torch.from_numpy(ids == codec.eos_token_id).to(said.device)[said]
        said = said.masked_fill(last.cumsum(dim=-1) - last.long() > 0, tokens.PAD)
        rows = said.masked_fill(last, tokens.PAD).flatten(0, 1).cpu().numpy()
        texts = codec.batch_decode([ids[row[row >= 0]].tolist() for row in rows])
        passed = torch.tensor([ALONE.fullmatch(text) is not None for text in texts])
        return said, passed.view(said.shape[:2]).to(said.device)
