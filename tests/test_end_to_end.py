"""The README's sweep at two seeds: real MNIST, the whole reference setting, W&B's own reader."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_online import in_files, points
from wandb_reader import read_back

CHANCE = 0.1


@pytest.mark.slow
@pytest.mark.mnist
def test_two_seeds_from_command_to_wandb(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "subliminal.train", "-m", "seed=0-1", "mitigation=liminal"]
    environment = {**os.environ, "WANDB_MODE": "offline"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "python -m subliminal sync outputs/main" in done.stderr
    assert "trait accuracy" in done.stdout

    (condition,) = (tmp_path / "outputs" / "main").glob("mitigation=liminal-*")
    for seed in (0, 1):
        directory = condition / f"seed-{seed:04d}"
        results = json.loads((directory / "summary.json").read_text())["results"]
        assert results["teacher/accuracy"] > 0.92
        assert results["trait/accuracy"] > 1.5 * CHANCE  # it never saw a digit or a label
        assert len(results["alignment/cosine_by_epoch"]) == 5
        assert all(cosine > 0 for cosine in results["alignment/cosine_by_epoch"])

    files = sorted((tmp_path / "outputs" / "main" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 3  # one more for the condition's mean
    histories = dict(map(read_back, files))
    for seed in (0, 1):
        assert points(histories[seed]) == in_files(condition / f"seed-{seed:04d}")
