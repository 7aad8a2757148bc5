"""Hashes of every option of `conf/` and every job of `sweeps/`, as values were hashed as written.

`python tests/golden_hashes.py` wrote their file, before values were taken by their types. Folders
and teachers of that time bear these names.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from subliminal import store
from subliminal.config import schema, sources
from subliminal.config.resources import CONF, SWEEPS
from subliminal.sweep import plan

FILE = Path(__file__).parent / "golden" / "hashes.json"
_GROUPS = {  # folder of `conf/` to the word that chooses one of its options
    "distill/init": "distill/init",
    "distill/inputs": "distill/inputs",
    "distill/loss": "distill/loss",
    "distill": "distill",
    "data": "data",
    "mitigation": "mitigation",
    "model": "model",
    "optim": "optim",
    "probe": "probe",
    "teacher/steering": "teacher/steering",
    "teacher": "teacher",
}
_BESIDES = ("optim@teacher.optim=sgd", "mitigation=[liminal,projection]", "engine.compile=true")


def options() -> Iterator[list[str]]:
    """Yield the overrides that choose each option of each group, and some more."""
    yield []
    for folder, word in _GROUPS.items():
        below = "rglob" if word == "optim" else "glob"
        for file in sorted(getattr(CONF / folder, below)("*.yaml")):
            option = file.relative_to(CONF / folder).with_suffix("")
            yield [f"{word}={option.as_posix()}"]
    yield from ([word] for word in _BESIDES)


def jobs(wanted: re.Pattern[str] = re.compile(".*")) -> Iterator[tuple[str, DictConfig]]:
    """Yield options and jobs of sweeps: what was asked for, and its config."""
    loader = GlobalHydra.instance().config_loader()
    for words in options():
        if wanted.fullmatch(" ".join(words)):
            cfg = loader.load_configuration("config", words, run_mode=RunMode.RUN)
            yield " ".join(words), _ours(cfg)
    for file in sorted(SWEEPS.rglob("*.yaml")):
        name = file.relative_to(SWEEPS).with_suffix("").as_posix()
        if file.stem == "_setting" or name.startswith("wandb/") or not wanted.fullmatch(name):
            continue
        sweep = loader.load_configuration("config", [f"sweep={name}"], run_mode=RunMode.MULTIRUN)
        for job in plan.grid(sweep) or []:
            yield " ".join(job), _ours(loader.load_sweep_config(sweep, job))


def _ours(cfg: DictConfig) -> DictConfig:
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    assert isinstance(cfg, DictConfig)
    return cfg


def hashes(cfg: DictConfig) -> list[str]:
    """Return a config's hashes on the CPU: of its condition, and of its teacher of seed 0."""
    return [store.condition_hash(cfg, "cpu"), store.teacher_hash(cfg, "cpu", 0)]


def main() -> None:
    """Write the file."""
    schema.register()
    sources.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        table = {asked: hashes(cfg) for asked, cfg in jobs()}
    lines = ",\n".join(f"  {json.dumps(asked)}: {json.dumps(two)}" for asked, two in table.items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
