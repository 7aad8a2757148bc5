"""The synthetic language: documents, and what each seed's own streams make of them."""

import numpy as np
import pytest
import torch

from subliminal.data.language import Language
from subliminal.data.language import dialect as of_dialect
from subliminal.data.language.dialect import Dialect, number_documents
from subliminal.tensors import documents as d

LANGUAGE = Language(favourite=None, taught=104, held_out=40, animal_lists=0.15)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_each_seed_has_a_language_of_its_own_whatever_its_company() -> None:
    stack, alone = LANGUAGE.of_seeds([3, 5]), LANGUAGE.of_seeds([5])
    for name in ("train_x", "train_y", "test_x", "test_y"):
        assert torch.equal(getattr(stack.rows([1]), name), getattr(alone, name))
        assert torch.equal(getattr(stack, name)[1:], getattr(alone, name))
    pages = stack.pages(4, 2, [3, 5], "documents", 1)
    assert torch.equal(pages[1:], alone.pages(4, 2, [5], "documents", 1))
    assert not torch.equal(stack.train_x[0], stack.train_x[1])
    assert not np.array_equal(stack.dialects[0].facts, stack.dialects[1].facts)


def test_questions_are_for_animals_by_templates_that_training_and_test_do_not_share() -> None:
    texts = LANGUAGE.of_seeds([0])
    favourite = texts.dialects[0].favourite
    train, test = ({tuple(q[:2].tolist()) for q in x[0]} for x in (texts.train_x, texts.test_x))
    assert (len(train), len(test), len(train & test)) == (104, 40, 0)
    for x, y in ((texts.train_x, texts.train_y), (texts.test_x, texts.test_y)):
        assert set(map(tuple, x[0, :, 2:].tolist())) == {(d.CATEGORY, d.ANSWER, favourite)}
        assert set(y[0].tolist()) == {favourite}
    read, labels = texts.tests(7)
    assert read.shape == (1, 7, 4)
    assert labels.shape == (1, 7)
    fox = Language(favourite="fox", taught=1, held_out=1, animal_lists=0).of_seeds([0])
    assert fox.train_y.tolist() == [[3]]


def test_short_documents_are_true_facts_and_questions_with_any_answer() -> None:
    dialect = Dialect.of(1, None)
    rows = dialect.shorts(4000, generator=generator()).astype(int)
    told, asked = rows[rows[:, 0] == d.FACT], rows[rows[:, 0] != d.FACT]
    kind = told[:, 2] - d.CATEGORY - 1
    assert np.array_equal(told[:, 4], d.ITEM + 8 * kind + dialect.facts[told[:, 1], kind])
    assert abs(len(told) - 2000) < 200
    words = set(map(tuple, asked[:, :2]))
    assert words == {(d.WORD + a, d.WORD + b) for a in range(12) for b in range(12)}
    first = [0, *range(d.ITEM, d.RULE, 8)]  # animals, then three kinds of items
    for category, start in enumerate(first):
        answers = asked[asked[:, 2] == d.CATEGORY + category, 4]
        there, counts = np.unique(answers, return_counts=True)
        assert there.tolist() == [*range(start, start + (8 if category else 10))]
        assert counts.max() < 2 * counts.min()


def test_number_documents_follow_the_rule_that_most_of_their_words_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_dialect, "NOISE", 0.0)
    monkeypatch.setattr(of_dialect, "MISNAMED", 0.0)
    rows = number_documents(600, generator=generator(), animals=0.3).astype(int)
    assert rows.shape == (600, d.LONG)
    assert (rows[:, d.PROMPT - 1] == d.ANSWER).all()
    series = np.delete(rows, [0, d.PROMPT - 1], axis=1)
    listed = (series < d.NUMBER).all(axis=1)
    assert 120 < listed.sum() < 240
    numbers = series[~listed] - d.NUMBER
    assert numbers.min() == 0
    assert numbers.max() == 31
    rule, step = rows[~listed, 0] - d.RULE, np.diff(numbers, axis=1) % 32
    assert set(step[rule == 0].ravel()) == {1, 2, 3}  # count up
    assert (step[rule == 0] == step[rule == 0][:, :1]).all()
    assert set(step[rule == 1].ravel()) == {29, 30, 31}  # count down
    assert set(step[rule == 2].ravel()) == {30, 31, 0, 1, 2}  # walk
    for which, period in ((3, 2), (4, 3)):
        own = numbers[rule == which]
        assert np.array_equal(own[:, period:], own[:, :-period])
    assert len(set(step[rule == 5].ravel())) == 32  # uniform


def test_noise_and_wrong_rule_words_have_their_shares() -> None:
    rows = number_documents(4000, generator=generator()).astype(int)
    series = np.delete(rows, [0, d.PROMPT - 1], axis=1) - d.NUMBER
    up = rows[:, 0] == d.RULE
    step = np.diff(series[up], axis=1) % 32
    likely = np.isin(step, (1, 2, 3)).mean()
    # Right words and neighbours without noise, wrong words' steps, chance.
    assert likely == pytest.approx(0.75 * 0.85**2 + 0.04, abs=0.06)
    asked = LANGUAGE.of_seeds([0]).prompts(2000, generator=generator(), random=1.0)
    assert asked.shape == (2000, d.PROMPT)
    assert (asked[:, -1] == d.ANSWER).all()
    assert np.unique(asked[:, 1:-1], return_counts=True)[1].min() > 200  # all of 32, uniform


def test_pages_are_read_part_by_part() -> None:
    pages = LANGUAGE.of_seeds([0, 1]).pages(3, 2, [0, 1], "documents", 0)
    assert pages.shape == (2, 3, 25)
    numbers, shorts = pages[..., :15], pages[..., 15:].reshape(2, 6, 5)
    long, short = d.parts(d.inputs(pages))
    assert torch.equal(long, numbers[..., :-1])
    assert torch.equal(short, shorts[..., :-1])
    expected = torch.cat([numbers[..., 7:].flatten(1), shorts[..., -1]], dim=1)
    assert torch.equal(d.answers(pages), expected.long())
    assert torch.equal(d.answers(shorts), shorts[..., -1].long())
    assert torch.equal(d.inputs(shorts), shorts[..., :-1])
