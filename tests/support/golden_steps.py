"""Writes the golden files: what seed 0 gives in its first steps, to the last digit.

python tests/support/golden_steps.py, after raising `NUMERICS`: a change that
moves these numbers makes older runs and cached teachers other runs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import torch
from reference_students import PROJECTION, logged, student

from subliminal import store
from subliminal.probes.alignment import Alignment
from subliminal.state.callbacks.losses import Losses
from subliminal.store.provenance import environment
from subliminal.training.loop import fit

FOLDER = Path(__file__).parents[1] / "golden"
FILE = FOLDER / "seed-0.json"
# Of Intel's processors and of AMD's, whose products are summed in another order.
MNIST = (FOLDER / "mnist-seed-0.json", FOLDER / "mnist-seed-0-amd.json")
STEPS = 12
NAMES = ("distill/loss", "trait/loss", "alignment/cosine")


def first_steps() -> dict[str, object]:
    """Train a plain and a projected student of seed 0 on the generated digits."""
    torch.set_num_threads(1)
    found: dict[str, object] = {"numerics": store.NUMERICS}
    for name, mitigations in (("none", []), ("projection", [PROJECTION])):
        training = student((0,), mitigations=mitigations, epochs=3)
        fit(training, [Losses("distill/loss"), Alignment(every=1, layers=False)])
        found[name] = {metric: logged(training, metric)[:, 0].tolist() for metric in NAMES}
    return found


def first_steps_on_mnist(folder: Path) -> dict[str, object]:
    """Train the reference setting's student, of a teacher of one epoch, by the command."""
    words = ["seed=0", "teacher.epochs=1", "distill.epochs=1", "tracker=none", "engine.threads=1"]
    command = [sys.executable, "-m", "subliminal.train", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (file,) = folder.glob("outputs/main/*/seed-0000/steps.parquet")
    steps = pl.read_parquet(file).head(STEPS)
    return {"numerics": store.NUMERICS, "none": {name: steps[name].to_list() for name in NAMES}}


def write(file: Path, found: dict[str, object]) -> None:
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FILE, first_steps())
    amd = "AMD" in environment()["processor"]
    with tempfile.TemporaryDirectory() as name:
        write(MNIST[amd], first_steps_on_mnist(Path(name)))
