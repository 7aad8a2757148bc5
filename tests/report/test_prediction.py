"""The points of which it is told whether alignment predicts acquisition."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from subliminal.report import prediction
from subliminal.statistics import rank_correlation

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
ROWS = st.lists(
    st.tuples(TEXTS, TEXTS, TEXTS, st.integers(0, 2**31), *[NUMBERS] * 3, NUMBERS | st.none())
)


@given(ROWS)
def test_points_are_read_as_they_were_written(rows: list[tuple[object, ...]]) -> None:
    points = pl.DataFrame(rows, schema=prediction.SCHEMA, orient="row")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.csv"
        prediction.write(file, points)
        assert prediction.read(file).equals(points)


def _points(sweep: str, configs: list[int], seeds: int = 3) -> pl.DataFrame:
    rows = [
        (sweep, f"lr={c}", f"{c:08}", seed, c / 10 + seed / 100, (c * 7 % 5) + seed, c, None)
        for c in configs
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows, schema=prediction.SCHEMA, orient="row")


def test_a_condition_that_two_sweeps_share_counts_once() -> None:
    both = pl.concat([_points("one", [0, 1, 2, 3]), _points("two", [3, 4, 5])])
    found = prediction.table({"both": both}).row(0, named=True)
    assert found["number"] == "6"
    x = [[(c * 7 % 5) + seed for seed in range(3)] for c in range(6)]
    y = [[c / 10 + seed / 100 for seed in range(3)] for c in range(6)]
    rho, low, high = rank_correlation(x, y)
    assert found["alignment, mean over the run"] == f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]"
    assert found["alignment in epoch 1"].startswith("+1.00")
    assert not found.get(prediction.PREDICTORS["displacement"])  # was not measured


def test_few_conditions_tell_nothing() -> None:
    assert prediction.table({"few": _points("one", [0, 1, 2, 3])}).height == 0
