"""`make bench-scale`: slopes, and one tiny sweep for real."""

from collections.abc import Callable

import numpy as np
import pytest
import scale
from measure import train
from omegaconf import DictConfig
from resolved import experiment_of

from subliminal.config.seeds import parse


def test_slopes_are_those_of_lines_and_of_powers() -> None:
    assert scale.slope((1, 2, 4), [3.0, 5.0, 9.0], power=False) == pytest.approx(2.0)
    assert scale.slope((1, 10, 20), [7.0, 5.0, 40.0], power=True) == pytest.approx(3.0)


@pytest.mark.parametrize("curve", scale.CURVES, ids=lambda curve: curve.name)
def test_every_point_composes(
    curve: scale.Curve, compose: Callable[[list[str]], DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "subset")
    for point in (curve.points[0], curve.points[-1]):
        cfg = compose([scale.override(curve, point), *curve.fixed])
        experiment_of(cfg)
        if curve.name == "seeds":
            assert len(parse(cfg.seed.spec)) == point
        if curve.name == "probes per step":
            assert cfg.probe.alignment.every == round(1 / point)


@pytest.mark.slow
@pytest.mark.mnist
def test_a_sweep_of_short_cells_is_timed_cell_by_cell() -> None:
    timed = train("seed=0-2", "optim.lr=0.001,0.002", *scale.SHORT, "tracker=none")
    assert len(timed.runs) == len(timed.summaries) == 6
    assert timed.first_step is not None
    assert 0 < timed.first_step < timed.seconds
    assert max(timed.finished) < timed.seconds
    assert 0.05 < timed.peak < 20  # GB
    assert np.all([summary["seconds"]["student"] > 0 for summary in timed.summaries])
