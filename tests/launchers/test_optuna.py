"""A search by Optuna: small, real, and the same when it is run again."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import same_sweep
from omegaconf import OmegaConf

from subliminal import store

SEARCH = ["sweep=frontier", "seed=0-1", "hydra.sweeper.n_trials=4"]


def search(outputs: Path, *overrides: str) -> tuple[str, Any]:
    done = same_sweep.run(outputs, *overrides)
    assert done.returncode == 0, done.stderr
    (found,) = outputs.glob(".hydra/*/optimization_results.yaml")
    results = OmegaConf.to_container(OmegaConf.load(found))
    found.unlink()
    return done.stderr, results


def measured(outputs: Path) -> dict[tuple[float, float], tuple[float, float]]:
    """Accuracy and loss of each condition, means over its seeds, by start and peak."""
    values: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for run in store.finished_runs(outputs / "frontier"):
        penalty = OmegaConf.load(run / "config.yaml").mitigation.liminal
        last = pl.read_parquet(run / "epochs.parquet", glob=False).row(-1, named=True)
        pair = (last["trait/accuracy"], last["distill/loss"])
        values.setdefault((penalty.start, penalty.peak), []).append(pair)
    return {
        penalty: (sum(p[0] for p in pairs) / len(pairs), sum(p[1] for p in pairs) / len(pairs))
        for penalty, pairs in values.items()
    }


@pytest.mark.slow
def test_the_frontier_is_the_runs_frontier_and_a_second_search_keeps_them(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    outputs = tmp_path / "outputs"
    overrides = [*SEARCH, "mitigation=liminal"]
    _, results = search(outputs, *overrides)
    points = measured(outputs)
    assert len(points) == 4
    best = {
        penalty: value
        for penalty, value in points.items()
        if not any(
            other != value and other[0] <= value[0] and other[1] <= value[1]
            for other in points.values()
        )
    }
    keys = ("mitigation.liminal.start", "mitigation.liminal.peak")
    found = {
        tuple(solution["params"][key] for key in keys): tuple(solution["values"])
        for solution in results["solutions"]
    }
    assert found.keys() == best.keys()
    for penalty, value in found.items():
        assert value == pytest.approx(best[penalty])
    told, again = search(outputs, *overrides)
    assert again == results
    assert measured(outputs) == points
    assert told.count("2 of 2 seeds are finished already") == 4


@pytest.mark.slow
def test_one_objective_and_jobs_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    outputs = tmp_path / "outputs"
    one = ("hydra.sweeper.direction=[minimize]", "objective=[trait/accuracy]")
    side_by_side = ("hydra/launcher=joblib", "hydra.sweeper.n_jobs=2")
    _, results = search(outputs, *SEARCH, "mitigation=liminal", *side_by_side, *one)
    assert results["best_value"] == pytest.approx(min(a for a, _ in measured(outputs).values()))
