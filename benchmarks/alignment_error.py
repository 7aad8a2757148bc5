"""How exact is the alignment? Gradients and cosines of real steps, against float64.

`python benchmarks/alignment_error.py` trains a seed of the reference setting in each matmul
precision, with this probe, and prints the errors of the alignment over the steps:

- of the sums: the cosine as it is logged, against float64 sums over the same two gradients;
- of the whole: against float64 gradients at the same weights, on the same batches.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from measure import keep, matrix_rate, run
from torch import Tensor

from subliminal import metrics
from subliminal.config import terminal
from subliminal.probes import Probe
from subliminal.state import Step, Task, Training
from subliminal.tensors.geometry import cosine

SUMS, WHOLE = "error/sums", "error/whole"
EVERY = 10  # steps


@dataclass(frozen=True, kw_only=True)
class AlignmentError(Probe):
    """Logs the alignment's errors.

    Attributes:
        every: measure at every k-th step.
    """

    every: int = EVERY

    def on_step(self, step: Step) -> None:
        """Log both errors, if this step is due."""
        if step.index % self.every != 0:
            return
        training = step.training
        ours = step.gradient, step.trait[1]
        cosine_of = cosine(*ours)
        exact = (
            exact_gradient(training, training.task, step.rows),
            exact_gradient(training, training.trait, step.trait_rows),
        )
        step.log(SUMS, cosine_of - cosine64(*ours))
        step.log(WHOLE, cosine_of - cosine64(*exact))


def exact_gradient(training: Training, task: Task, rows: Tensor) -> Tensor:
    """Return the task's gradient (seeds, P) in float64, by a forward pass in float64."""
    params = {name: p.detach().double().requires_grad_() for name, p in training.params.items()}
    loss = task.loss(training.network.forward(params, task.images(rows).double()), rows)
    parts = torch.autograd.grad(loss.sum(), list(params.values()), allow_unused=True)
    return training.network.layout.flatten(parts, like=training.theta.double())


def cosine64(a: Tensor, b: Tensor) -> Tensor:
    """Return cos(a, b) per seed in float64, by torch's own inner product."""
    a, b = a.double(), b.double()
    return torch.nn.functional.cosine_similarity(a, b, dim=-1, eps=0.0)


def main() -> None:
    errors = {}
    for precision in ("highest", "medium"):
        with tempfile.TemporaryDirectory() as folder:
            probes = ["probe=alignment", "+probe.error._target_=alignment_error.AlignmentError"]
            job = ["-m", "seed=0", *probes, f"engine.precision={precision}", "tracker=none"]
            (path,) = run(Path(folder), ["-m", "subliminal.train", *job]).runs
            steps = pl.read_parquet(path / "steps.parquet").drop_nulls(WHOLE)
        errors[precision] = {
            "steps": len(steps),
            "matrix rate, GFLOP/s": matrix_rate(precision=precision),
            "mean alignment": steps[metrics.ALIGNMENT].mean(),
            **{
                f"{name}, {kind}": value
                for name in (SUMS, WHOLE)
                for kind, value in of(steps[name])
            },
        }
    print(json.dumps(errors, indent=2))
    keep("alignment_error", {"precisions": errors}, {})


def of(errors: pl.Series) -> list[tuple[str, float]]:
    """Return the root mean square and the largest of some errors."""
    values = errors.to_numpy()
    return [("rms", float((values**2).mean() ** 0.5)), ("largest", float(abs(values).max()))]


if __name__ == "__main__":
    terminal.settle()
    main()
