"""Uploading a whole experiment later: what W&B's own command selects, without a server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tracked import SEEDS, Tracked


def would_sync(folder: Path) -> int:
    wandb = Path(sys.executable).parent / "wandb"
    done = subprocess.run(
        [wandb, "sync", "--dry-run", folder], capture_output=True, text=True, check=True
    )
    match = re.search(r"Would sync (\d+) run", done.stderr + done.stdout)
    return int(match[1]) if match else 0


def test_the_folder_of_an_experiment_is_uploaded_once(tracked: Tracked, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tracked.outputs / "main" / "wandb", tmp_path / "wandb"))
    assert would_sync(folder) == len(SEEDS)
    for left, file in enumerate(sorted(folder.glob("offline-run-*/*.wandb"))):
        assert would_sync(folder) == len(SEEDS) - left
        file.with_suffix(".wandb.synced").touch()
    assert would_sync(folder) == 0
