"""Command lines and the hashes that name their conditions and teachers.

`PYTHONPATH=tests/support python tests/support/golden_conditions.py` writes the file: only new
lines may appear in it, for a hash that changes loses every finished run that has it.
"""

import json
from pathlib import Path

from omegaconf import DictConfig
from resolved import composed, condition_hash, teacher_hash

from subliminal.config import resources
from subliminal.config.resources import CONF

FILE = Path(__file__).parents[1] / "golden" / "conditions.json"
GROUPS = (
    *("data", "distill", "distill/init", "distill/inputs", "distill/loss", "distill/targets"),
    *("mitigation", "model", "optim", "probe"),
)

_FOLDER = resources.SWEEPS
# The sweeps of Hydra; wandb/ has those of W&B. A file _… is a part of sweeps.
SWEEPS = {
    f"sweep={path.relative_to(_FOLDER).with_suffix('').as_posix()}"
    for path in {*_FOLDER.rglob("*.yaml")} - {*_FOLDER.glob("wandb/*")}
}
GOLDEN: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))


def lines() -> list[str]:
    """Return each option of the groups, two optimizers, and each sweep without what it varies."""
    options = [f"{group}={path.stem}" for group in GROUPS for path in (CONF / group).glob("*.yaml")]
    # What needs a target, sizes from model=gpt, files or each other.
    for needy in ("model=module", "distill=language_lora", "data=arrays", "model=transformers"):
        options.remove(needy)
    options.remove("data=text")
    own = "model=module model.target=torch.nn.Flatten"
    more = [
        "",
        own,
        "experiment=language",
        "teacher=steered",
        "optim@teacher.optim=adamw",
        "optim=matched/adamw",
    ]
    return sorted([*more, *options, *SWEEPS])


def hashes(cfg: DictConfig) -> list[str]:
    """Return the hashes of a config's condition and of its teacher of seed 0, on a CPU."""
    return [condition_hash(cfg, "cpu"), teacher_hash(cfg, "cpu", 0)]


if __name__ == "__main__":
    found = {line: hashes(composed(*line.split())) for line in lines()}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
