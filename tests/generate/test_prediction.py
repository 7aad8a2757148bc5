"""The points of which it is told whether alignment predicts acquisition."""

import numpy as np
import polars as pl
import prediction
import pytest
from archive import RUNS
from prediction import rank_correlation
from scipy import stats


def _points(sweep: str, configs: list[int], seeds: int = 3) -> pl.DataFrame:
    rows = [
        {
            "sweep": sweep,
            "condition": f"lr={c}",
            "config": f"{c:08}",
            "seed": seed,
            "accuracy": c / 10 + seed / 100,
            "alignment": (c * 7 % 5) + seed,
            "alignment_epoch_1": c,
        }
        for c in configs
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows, schema=RUNS)


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


def test_the_rank_correlation_is_spearmans_of_the_groups_means() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(12, 4)).round(1)  # some means are ties
    y = x.mean(axis=1, keepdims=True) + generator.normal(size=(12, 4))
    rho, low, high = rank_correlation(x.tolist(), y.tolist())
    assert rho == pytest.approx(stats.spearmanr(x.mean(axis=1), y.mean(axis=1)).statistic)
    assert -1 <= low < rho < high <= 1


def test_the_rank_correlation_of_a_monotone_relation_is_certain() -> None:
    x = [[float(k)] * 3 for k in range(6)]
    y = [[float(k) ** 3] * 3 for k in range(6)]
    rho, low, high = rank_correlation(x, y)
    assert (rho, high) == pytest.approx((1, 1))
    assert low == pytest.approx(1)
    assert np.isnan(rank_correlation(x, [[1.0] * 3] * 6)[0])
