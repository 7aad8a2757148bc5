"""Runs that Python asked for, and runs that were made by hand."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from handmade_runs import config, write_run
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import subliminal as sl
from subliminal.config.resources import CONF


@dataclass(frozen=True)
class TrainedByApi:
    """What a call of `sl.train` left."""

    runs: sl.Runs
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="session")
def trained_by_api(tmp_path_factory: pytest.TempPathFactory) -> TrainedByApi:
    """Two conditions of two seeds each, by a caller with a torch and a Hydra of his own."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        torch.set_default_dtype(torch.float64)
        try:
            before = state()
            runs = sl.train(
                "seed=0-1",
                "distill/init=shared,independent",
                *small.OVERRIDES,
                "engine.workers=2",
                outputs=tmp_path_factory.mktemp("it's called, so"),
            )
            after = state()
        finally:
            torch.set_default_dtype(torch.float32)
    return TrainedByApi(runs, before, after)


def state() -> dict[str, Any]:
    """Return what a training in this process would change."""
    return {
        "type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "hydra": id(GlobalHydra.instance().hydra),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
    }


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> sl.Runs:
    """Without and with liminal training at two learning rates, four seeds each, made by hand."""
    outputs = tmp_path_factory.mktemp("outputs")
    for lr in (0.1, 1):
        for condition in ("mitigation=none", "mitigation=liminal"):
            for seed in range(4):
                optim = {"_target_": "subliminal.optim.sgd.SGD", "lr": lr}
                write_run(
                    outputs / "made",
                    condition,
                    seed,
                    folder=f"{condition},lr={lr}-00000000",
                    settings=config(condition.removeprefix("mitigation="), optim=optim),
                )
    return sl.load(outputs / "made")
