"""`make bench`: its cases compose, and its figures follow from what was timed."""

from collections.abc import Callable
from typing import Any

import bench
import pytest
from measure import Timed, cores, flops_per_pass
from omegaconf import DictConfig
from resolved import experiment_of

SEEDS = 4
BESIDE = min(cores(), SEEDS)  # seeds that train at once


def timed(seconds: float, loop: float) -> Timed:
    summary = {"seconds": {"teacher": loop / 3, "student": 2 * loop / 3}}
    return Timed(seconds, 2 * seconds, 1.5, None, [], [summary] * SEEDS, [])


@pytest.fixture
def record() -> dict[str, Any]:
    seconds = {case.name: 4.0 * case.passes for case in bench.CASES}
    times = {
        name: [timed(s, s / 2), timed(s + 8, s / 2), timed(s + 4, s / 2)]
        for name, s in seconds.items()
    }
    times[bench.USUAL] = [timed(96.0, 0.0)]
    times[bench.USUAL_BESIDE] = [timed(60.0 * cores(), 0.0)]
    rate = flops_per_pass() / 1e9  # GFLOP/s at which a pass takes one second
    return bench.figures(times, [rate, rate / 2, 2 * rate])


@pytest.mark.parametrize("case", bench.CASES, ids=lambda case: case.name)
def test_every_case_composes(case: bench.Case, compose: Callable[[list[str]], DictConfig]) -> None:
    experiment_of(compose(list(case.overrides)))


def test_figures_are_medians_over_the_floor(record: dict[str, Any]) -> None:
    none = record["cases"]["mitigation=none"]
    assert record["s per pass"] == pytest.approx(1.0)
    assert none["s per seed"] == pytest.approx((60 + 4) / SEEDS)
    assert none["over floor"] == pytest.approx((60 + 4) / SEEDS / 15)
    assert none["training loops over floor"] == pytest.approx(30 / BESIDE / 15)
    assert record["cases"][bench.USUAL_BESIDE]["s per seed"] == pytest.approx(60.0)


def test_ratios_are_of_seconds_per_seed(record: dict[str, Any]) -> None:
    ratios = bench.ratios(record["cases"], record["s per pass"])
    none, off = 16.0, 11.0
    assert ratios["no probe / usual"] == pytest.approx(96 / off)
    assert ratios["probe / usual, a seed per core"] == pytest.approx(60 / none)
    assert ratios["W&B adds"] == pytest.approx(0.0)
    assert ratios["probe / its passes, loops"] == pytest.approx((30 - 20) / BESIDE / 5)
    assert ratios["every 10th step / every step, loops"] == pytest.approx(0.1)
    assert ratios["medium / highest, loops"] == pytest.approx(1.0)
