"""Command lines and the hashes that name their conditions and teachers.

`PYTHONPATH=tests/support python tests/support/golden_conditions.py` writes the file: only new
lines may appear in it, for a hash that changes loses every finished run that has it.
"""

import json
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig
from resolved import composed, condition_hash, teacher_hash

from subliminal.config.resources import CONF, SWEEPS

FILE = Path(__file__).parents[1] / "golden" / "conditions.json"
GROUPS = (
    *("data", "distill", "distill/init", "distill/inputs", "distill/loss", "distill/targets"),
    *("mitigation", "model", "optim", "probe"),
)

Compose = Callable[[list[str]], DictConfig]


def lines() -> list[str]:
    """Return each option of the groups, two optimizers, and each sweep without what it varies."""
    options = [f"{group}={path.stem}" for group in GROUPS for path in (CONF / group).glob("*.yaml")]
    options.remove("model=module")  # which needs a target
    of_hydra = {*SWEEPS.rglob("*.yaml")} - {*SWEEPS.glob("wandb/*")}
    sweeps = [path.relative_to(SWEEPS).with_suffix("").as_posix() for path in of_hydra]
    own = "model=module model.target=torch.nn.Flatten"
    more = ["", own, "teacher=steered", "optim@teacher.optim=adamw", "optim=matched/adamw"]
    return sorted([*more, *options, *(f"sweep={name}" for name in sweeps)])


def hashes(line: str, compose: Compose) -> list[str]:
    """Return the hashes of a command line's condition and of its teacher of seed 0, on a CPU."""
    cfg = compose(line.split())
    return [condition_hash(cfg, "cpu"), teacher_hash(cfg, "cpu", 0)]


if __name__ == "__main__":
    found = {line: hashes(line, lambda argv: composed(*argv)) for line in lines()}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
