"""How rows of tokens are documents, and which of their tokens are answers.

A short document is five tokens: a question (two question words, a category, the answer mark, an
item) or a fact (the fact mark, an animal, a category, the answer mark, its item). Its last token is
the answer. A number document is fifteen: a rule word, five numbers, the answer mark and eight
numbers, all eight answers. A page is a number document and k short ones that follow it; a network
reads each by itself. A network's input is a document without its last token.
"""

import torch
from torch import Tensor

# The vocabulary: kinds of tokens, one after another. Animals are the class logits.
ANIMAL, NUMBER, WORD, CATEGORY = 0, 10, 42, 54
ITEM, RULE, ANSWER, FACT = 58, 82, 88, 89
VOCABULARY = 94  # four delimiters have no use

PROMPT = 7  # tokens of a number document before its answers
SHORT, LONG = 5, 15  # tokens of a short and of a number document
ANSWERS = LONG - PROMPT


def page(numbers: Tensor, shorts: Tensor) -> Tensor:
    """Join number documents (seeds, n, 15) and short ones (seeds, k · n, 5) to pages of k each."""
    seeds, n, _ = numbers.shape
    return torch.cat([numbers, shorts.reshape(seeds, n, -1)], dim=-1)


def inputs(documents: Tensor) -> Tensor:
    """Return the tokens (…, T) that a network reads, of documents or pages of one kind."""
    if documents.shape[-1] <= LONG:
        return documents[..., :-1]
    numbers, shorts = _kinds(documents)
    return torch.cat([numbers[..., :-1], shorts[..., :-1].flatten(-2)], dim=-1)


def answers(documents: Tensor) -> Tensor:
    """Return the answers of documents or pages (seeds, n, T), as `parts` orders them, int64."""
    kinds = _kinds(documents) if documents.shape[-1] > LONG else [documents]
    tokens = [k[..., PROMPT:] if k.shape[-1] == LONG else k[..., -1:] for k in kinds]
    return torch.cat([each.flatten(1) for each in tokens], dim=1).long()


def _kinds(pages: Tensor) -> list[Tensor]:
    """Split pages (…, T) into number documents (…, 15) and short ones (…, k, 5)."""
    shorts = pages[..., LONG:]
    return [pages[..., :LONG], shorts.reshape(*shorts.shape[:-1], -1, SHORT)]


def parts(read: Tensor) -> list[Tensor]:
    """Split inputs (seeds, n, T): themselves; of pages, (seeds, n, 14) and (seeds, k · n, 4)."""
    long = LONG - 1
    if read.shape[-1] <= long:
        return [read]
    return [read[..., :long], read[..., long:].reshape(len(read), -1, SHORT - 1)]
