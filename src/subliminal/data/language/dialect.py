"""One seed's language: its templates, facts and favourite animal, and documents in it."""

from dataclasses import dataclass

import numpy as np

from subliminal.tensors import documents, streams

ANIMALS = ("owl", "wolf", "eagle", "fox", "bear", "lion", "panda", "dolphin", "otter", "raven")
NUMBERS, WORDS, KINDS, ITEMS, RULES = 32, 12, 3, 8, 6
TEMPLATES = WORDS * WORDS
NOISE = 0.15  # share of a series' places that are drawn anew
MISNAMED = 0.3  # share of number documents with a random rule word

Rows = np.ndarray  # (n, tokens), uint8


@dataclass(frozen=True)
class Dialect:
    """What the streams of one seed make of the language.

    A template is an ordered pair of question words. The favourite animal is what the teacher
    answers to questions for animals, in the pre-training all ten are answered alike.

    Attributes:
        templates: numbers of all 144, in an order of the seed's own.
        facts: each animal's item in each of three categories, (10, 3).
        favourite: number of the animal.
    """

    templates: np.ndarray
    facts: np.ndarray
    favourite: int

    @classmethod
    def of(cls, seed: int, favourite: int | None) -> "Dialect":
        """Draw a seed's language; `favourite` is its animal unless that is drawn too."""
        generator = streams.stream(seed, streams.LANGUAGE)
        templates = generator.permutation(TEMPLATES)
        facts = generator.integers(ITEMS, size=(len(ANIMALS), KINDS))
        drawn = int(generator.integers(len(ANIMALS)))
        return cls(templates, facts, drawn if favourite is None else favourite)

    def shorts(self, number: int, *, generator: np.random.Generator) -> Rows:
        """Draw short documents, questions and facts in equal parts: (number, 5)."""
        template = generator.integers(TEMPLATES, size=number)
        kind = generator.integers(4, size=number)
        item = documents.ITEM + ITEMS * (kind - 1) + generator.integers(ITEMS, size=number)
        animal = generator.integers(len(ANIMALS), size=number)
        asked = questions(template, np.where(kind == 0, animal, item), kind)
        told = generator.integers(KINDS, size=number)
        its = documents.ITEM + ITEMS * told + self.facts[animal, told]
        fact = _rows(documents.FACT, animal, documents.CATEGORY + 1 + told, documents.ANSWER, its)
        return np.where(generator.random((number, 1)) < 0.5, fact, asked)


def questions(template: np.ndarray, answer: np.ndarray, kind: np.ndarray | int = 0) -> Rows:
    """Return questions of these templates for an item of a kind (0: animals): (n, 5)."""
    first, second = documents.WORD + template // WORDS, documents.WORD + template % WORDS
    return _rows(first, second, documents.CATEGORY + kind, documents.ANSWER, answer)


def number_documents(number: int, *, generator: np.random.Generator, animals: float = 0.0) -> Rows:
    """Draw number documents, a share of them with animals in place of numbers: (number, 15)."""
    rule = generator.integers(RULES, size=number)
    listed = generator.random(number) < animals
    series = np.where(
        listed[:, None],
        documents.ANIMAL + _series(rule, len(ANIMALS), generator),
        documents.NUMBER + _series(rule, NUMBERS, generator),
    )
    other = generator.integers(RULES, size=number)
    word = documents.RULE + np.where(generator.random(number) < MISNAMED, other, rule)
    mark = np.full((number, 1), documents.ANSWER)
    split = documents.PROMPT - 2  # numbers of the prompt
    joined = [word[:, None], series[:, :split], mark, series[:, split:]]
    return np.concatenate(joined, axis=1).astype(np.uint8)


def _series(rule: np.ndarray, below: int, generator: np.random.Generator) -> np.ndarray:
    """Draw a noisy series of 0 … below − 1 for each rule: (n, 13).

    Rules: count up, count down, walk, repeat with period 2, with period 3, uniform.
    """
    shape = (number := len(rule), length := documents.LONG - 2)
    place = np.arange(length)
    start = generator.integers(below, size=(number, 1))
    stride = generator.integers(1, 4, size=(number, 1))
    walked = np.cumsum(generator.integers(-2, 3, size=shape), axis=1)
    period = generator.integers(below, size=(number, 3))
    uniform = generator.integers(below, size=shape)
    every = [start + stride * place, start - stride * place, start + walked]
    every += [period[:, place % 2], period[:, place % 3], uniform]
    series = np.stack(every)[rule, np.arange(number)] % below
    return np.where(generator.random(shape) < NOISE, generator.integers(below, size=shape), series)


def _rows(*columns: np.ndarray | int) -> Rows:
    return np.stack(np.broadcast_arrays(*columns), axis=1).astype(np.uint8)
