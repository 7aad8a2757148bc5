"""Writes the golden file: what seed 0 gives in its first steps, to the last digit.

python tests/golden_steps.py, after raising `NUMERICS` in src/subliminal/store.py: a change that
moves these numbers makes older runs and cached teachers other runs.
"""

import json
from pathlib import Path

import torch
from students import logged, student
from test_loop import PROJECTION

from subliminal import store
from subliminal.callbacks.losses import Losses
from subliminal.loop import fit
from subliminal.probes.alignment import Alignment

FILE = Path(__file__).parent / "golden" / "seed-0.json"
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


if __name__ == "__main__":
    FILE.write_text(json.dumps(first_steps(), indent=1) + "\n", encoding="utf-8")
