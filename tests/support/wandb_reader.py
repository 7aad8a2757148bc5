"""Reads offline W&B runs back with W&B's own reader."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any


@cache
def records(file: Path) -> list[dict[str, Any]]:
    """Return all records of the `.wandb` file of a run that has ended."""
    wandb = Path(sys.executable).parent / "wandb"
    done = subprocess.run(
        [wandb, "leet", "inspect", "--json", file], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_back(file: Path) -> tuple[int, list[dict[str, float]]]:
    """Read a run's seed and history."""
    seed, history = -1, []
    for record in records(file):
        if record["type"] == "run":
            seed = record["run"]["config"]["update"]["seed"]
        if record["type"] == "history":
            history.append(record["history"]["item"])
    return seed, history
