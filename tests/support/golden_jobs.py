"""Every job of every sweep, and the hash that its folder had when values were hashed as written.

`PYTHONPATH=tests/support python tests/support/golden_jobs.py` writes it; the hashes of the jobs
that are in it were made by the code of that time, and stay.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from subliminal import store
from subliminal.config import schema, sources
from subliminal.config.resources import CONF, SWEEPS
from subliminal.sweep import plan

FILE = Path(__file__).parents[1] / "golden" / "jobs.json"


def jobs() -> Iterator[tuple[str, DictConfig]]:
    """Yield each job's overrides and its config, without Hydra's own node."""
    loader = GlobalHydra.instance().config_loader()
    for file in sorted(SWEEPS.rglob("*.yaml")):
        name = file.relative_to(SWEEPS).with_suffix("").as_posix()
        if file.stem == "_setting" or name.startswith("wandb/"):
            continue
        sweep = loader.load_configuration("config", [f"sweep={name}"], run_mode=RunMode.MULTIRUN)
        for job in plan.grid(sweep) or []:  # of a search none are known
            cfg = loader.load_sweep_config(sweep, job)
            cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
            assert isinstance(cfg, DictConfig)
            yield " ".join(job), cfg


def as_written(cfg: DictConfig) -> str:
    """Return the hash of a config's values as they are written, on a CPU."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    return store.hash_as_written(plain, "cpu")


if __name__ == "__main__":
    schema.register()
    sources.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        table = {asked: as_written(cfg) for asked, cfg in jobs()}
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
