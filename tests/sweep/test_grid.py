"""From the words of a sweep to its jobs: grids, paired values, several grids."""

from itertools import product

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from subliminal.config.arguments import arranged, quoted, split_grids
from subliminal.errors import UserError
from subliminal.sweep import grid

parse = OverridesParser.create().parse_overrides


def jobs(line: str) -> list[str]:
    """The jobs of a command line, each as a line."""
    words, grids = split_grids(line.split())
    return [" ".join(job) for job in grid.jobs(words, grids, parse)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=1", ["a=1"]),
        ("a=1,2 b=x c=3,4", ["a=1 b=x c=3", "a=1 b=x c=4", "a=2 b=x c=3", "a=2 b=x c=4"]),
        ("a=1,2 b=3,4 pair=a,b", ["a=1 b=3", "a=2 b=4"]),
        ("pair=b,a a=1,2 b=3,4", ["a=1 b=3", "a=2 b=4"]),
        ("a=1,2 c=x,y b=3,4 pair=a,b", [
            "a=1 c=x b=3", "a=1 c=y b=3", "a=2 c=x b=4", "a=2 c=y b=4"]),
        ("a=1,2 b=3,4 c=5,6 d=7,8 pair=[a,b],[c,d]", [
            "a=1 b=3 c=5 d=7", "a=1 b=3 c=6 d=8", "a=2 b=4 c=5 d=7", "a=2 b=4 c=6 d=8"]),
        ("a=1,2 b=3,4 c=5,6 pair=a,b,c", ["a=1 b=3 c=5", "a=2 b=4 c=6"]),
        ("m=l,p o@t.o=s,a pair=m,o@t.o", ["m=l o@t.o=s", "m=p o@t.o=a"]),
        ("a=range(0,2) b=[1],[2] pair=a,b", ["a=0 b=[1]", "a=1 b=[2]"]),
        ("a=1 b=3 pair=a,b", ["a=1 b=3"]),
        ("a=1,2 a=3", ["a=3"]),  # the command line's replaces the sweep file's
        ("s=0 grid=x a=1,2 grid=y b=3", ["s=0 a=1", "s=0 a=2", "s=0 b=3"]),
        ("a=1 grid=x a=2 grid=y b=3 grid=z a=2", ["a=2", "a=1 b=3"]),  # one job of two grids
        ("s=0,1 grid=x a=1,2 b=3,4 pair=a,b grid=y c=5", [
            "s=0 a=1 b=3", "s=0 a=2 b=4", "s=1 a=1 b=3", "s=1 a=2 b=4", "s=0 c=5", "s=1 c=5"]),
    ],
)  # fmt: skip
def test_jobs(line: str, expected: list[str]) -> None:
    assert jobs(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a=1,2 b=3 pair=a,b", "pair=a,b: paired keys need equally many values; a has 2, b has 1"),
        ("a=1,2 pair=a,b", "pair=a,b: b has no values in this sweep; keys with values: a"),
        ("b=1 pair=c,d", "pair=c,d: c has no values in this sweep; keys with values: none"),
        ("a=1,2 pair=a", "pair=a: at least two keys are needed, such as pair=optim.lr,model.aux"),
        ("a=1,2 pair=a,a", "pair=a,a: a is paired twice; name all its partners in one pair"),
        ("a=1 b=1 c=1 pair=a,b pair=b,c", "pair=b,c: b is paired twice; name all its partners"),
        ("a=interval(0,1)", "a=interval(0,1): a grid needs values, such as a=1,2; hydra/sweeper="),
        ("a=1 grid=x", "grid: no overrides follow; name some, such as grid=a optim.lr=0.1,1"),
    ],
)
def test_what_is_refused(line: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        jobs(line)
    assert str(refused.value).startswith(message)


values = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@given(st.dictionaries(st.sampled_from("abcd"), values, min_size=1))
def test_a_grid_is_the_product_of_its_values(axes: dict[str, list[int]]) -> None:
    words = [f"{key}={','.join(map(str, listed))}" for key, listed in axes.items()]
    rows = product(*axes.values())
    expected = [[f"{k}={v}" for k, v in zip(axes, row, strict=True)] for row in rows]
    assert grid.jobs(words, [], parse) == expected


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n,
    max_size=n), min_size=2, max_size=4)), values)  # fmt: skip
def test_a_pair_moves_together_and_beside_other_keys(
    pairs: list[list[int]], other: list[int]
) -> None:
    names = "abcd"[: len(pairs)]
    words = [f"{k}={','.join(map(str, v))}" for k, v in zip(names, pairs, strict=True)]
    own = [*words, f"z={','.join(map(str, other))}", f"pair={','.join(names)}"]
    rows = [*zip(*pairs, strict=True)]
    expected = [
        [*(f"{k}={v}" for k, v in zip(names, row, strict=True)), f"z={z}"]
        for row in rows
        for z in other
    ]
    found = grid.jobs(own, [], parse)
    assert found == [list(job) for job in dict.fromkeys(map(tuple, expected))]


def test_a_files_grids_are_mappings_or_words() -> None:
    given = [{"a": "1,2", "b": "[x,y]"}, ["c=3", "d=4"]]
    assert grid.grids_of(given) == [["a=1,2", "b=[x,y]"], ["c=3", "d=4"]]
    assert grid.grids_of(None) == []


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Z"])), min_size=1))
def test_a_command_lines_grids_reach_hydra_as_they_are(texts: list[str]) -> None:
    words = [f"grid=g{number} name={text}" for number, text in enumerate(texts)]
    argv = [part for word in words for part in word.split(" ", 1)]
    *_, override = arranged(argv)
    (parsed,) = parse([override])
    assert parsed.value() == [[f"name={text}"] for text in texts]


def test_words_of_hydras_own_belong_to_no_grid() -> None:
    line = "seed=0 grid=a optim.lr=1,2 hydra/launcher=joblib grid=b hydra.job.chdir=true model=cnn"
    common, grids = split_grids(line.split())
    assert common == ["seed=0", "hydra/launcher=joblib", "hydra.job.chdir=true"]
    assert grids == [["optim.lr=1,2"], ["model=cnn"]]


@given(st.text(max_size=20))
def test_any_text_is_quoted(text: str) -> None:
    if text.isprintable():
        (parsed,) = parse([f"name={quoted(text)}"])
        assert parsed.value() == text
