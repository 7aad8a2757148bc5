"""An experiment made by hand, without training: the files of finished runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from subliminal import store

PER_EPOCH, EPOCHS = 20, 2
SEEDS = {"mitigation=liminal": (0, 1, 2, 3), "mitigation=none": (0, 1, 2, 3)}


def alignment(condition: str, seed: int) -> np.ndarray:
    """Return alignments at steps: 0.02 more without a mitigation."""
    draw = np.random.default_rng([len(condition), seed]).normal(size=PER_EPOCH * EPOCHS)
    return draw * 0.01 + (0.02 if condition == "mitigation=none" else 0.0)


def accuracy(condition: str, seed: int) -> list[float]:
    """Return trait accuracy after 0, 1 and 2 epochs."""
    final = 0.5 + seed / 10 if condition == "mitigation=none" else 0.4 + seed / 20
    return [0.1, 0.3, final]


def config(mitigation: str, **science: Any) -> dict[str, Any]:
    """Return as much of a resolved config as a report looks at."""
    target = f"subliminal.mitigations.{mitigation}.{mitigation.title()}"
    named = {} if mitigation == "none" else {mitigation: {"_target_": target, "peak": 1.0}}
    return {
        "name": "made",
        "mitigation": named,
        "distill": {"init": {"_target_": "subliminal.distill.init.shared.Shared"}},
        "seed": {"spec": "0"},
        **science,
    }


def write_run(
    experiment: Path,
    condition: str,
    seed: int,
    *,
    folder: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write the files of a finished run, as training does; return its folder."""
    directory = store.run_dir(experiment / (folder or f"{condition}-00000000"), seed)
    directory.mkdir(parents=True)
    steps = pl.DataFrame(
        {
            "seed": seed,
            "step": np.arange(PER_EPOCH * EPOCHS),
            "epoch": np.arange(PER_EPOCH * EPOCHS) / PER_EPOCH,
            "alignment/cosine": alignment(condition, seed),
            "update/alignment": alignment(condition, seed) * 2,
            "ledger/actual": -0.01,
            "ledger/predicted": -0.01,
            "ledger/actual_total": -0.01 * np.arange(1, PER_EPOCH * EPOCHS + 1),
            "ledger/predicted_total": -0.01 * np.arange(1, PER_EPOCH * EPOCHS + 1),
            "alignment/cosine/layer1.weight": alignment(condition, seed),
        }
    )
    means = alignment(condition, seed).reshape(EPOCHS, PER_EPOCH).mean(axis=1)
    ends = [PER_EPOCH * epoch for epoch in range(EPOCHS + 1)]
    student = pl.DataFrame(
        {
            "seed": seed,
            "phase": "student",
            "epoch": list(range(EPOCHS + 1)),
            "step": ends,
            "trait/accuracy": accuracy(condition, seed),
            "distill/loss": [None, 2e-4, 1e-4 * (seed + 1)],
            "alignment/cosine": [None, *means],
            "alignment/cosine/layer1.weight": [None, *means],
            "update/alignment": [None, *(2 * means)],
        }
    )
    teacher = pl.DataFrame(
        {
            "seed": seed,
            "phase": "teacher",
            "epoch": list(range(EPOCHS + 1)),
            "step": ends,
            "teacher/accuracy": [0.1, 0.8, 0.9 + seed / 100],
        }
    )
    steps.write_parquet(directory / "steps.parquet")
    pl.concat([teacher, student], how="diagonal").write_parquet(directory / "epochs.parquet")
    summary = {
        "seed": seed,
        "run_id": f"made{seed:08d}",
        "experiment": experiment.name,
        "condition": condition,
        "device": "cpu",
        "threads": 1,
        "stack": 2,
        "seconds": {"student": 20.0 + 2 * seed},
        "results": {
            "trait/accuracy": accuracy(condition, seed)[-1],
            "distill/loss": 1e-4 * (seed + 1),
        },
        "environment": {
            "processor": "A Processor",
            "packages": {"torch": "2.9.0"},
            "git_commit": "0123456789abcdef",
        },
    }
    (directory / store.MARKER).write_text(json.dumps(summary))
    settings = settings or config(condition.removeprefix("mitigation="))
    store.record_condition(directory.parent, condition, [seed], settings)
    return directory


def write_experiment(folder: Path) -> Path:
    """Write two conditions of four seeds."""
    for condition, seeds in SEEDS.items():
        for seed in seeds:
            write_run(folder, condition, seed)
    return folder
