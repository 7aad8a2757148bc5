"""A finished job of two seeds with every probe, tracked offline by W&B."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import small
from resolved import composed, train_config
from wandb_reader import read_back

SEEDS = (3, 4)
KEY = "0123456789abcdef" * 2 + "01234567"
OVERRIDES = [
    *small.OVERRIDES,
    *("seed=3-4", "mitigation=liminal", "engine.workers=1", "engine.seeds_at_once=2"),
    *("tracker=wandb", "tracker.mode=offline", "tracker.tags=[paper,small]"),
    "probe=[alignment,displacement,ledger,noise_floor,update_alignment]",
    *("probe.alignment.layers=true", "probe.noise_floor.full_batch=[0,5]", "trait.steps=[3]"),
]


@dataclass
class Tracked:
    """The job's folders and offline runs, by seed."""

    outputs: Path
    directories: dict[int, Path]
    files: dict[int, Path]


def train(outputs: Path) -> Tracked:
    """Train two seeds in one stack, with all that may be logged."""
    cfg = composed(*OVERRIDES, f"outputs={outputs}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", KEY)
        directories = train_config(cfg, "mitigation=liminal")
    found = outputs.glob("main/wandb/offline-run-*/*.wandb")
    return Tracked(
        outputs,
        dict(zip(SEEDS, directories, strict=True)),
        {read_back(file)[0]: file for file in found},
    )
