"""Statistics of a data set's targets, and what they are among clean teachers'.

A clean teacher is θ₀ moved in a random direction. None of the statistics needs the trait, and none
changes if all shifts of the targets are multiplied by one number.
"""

from dataclasses import asdict, dataclass
from functools import cached_property, partial
from math import log2
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.stats import linregress, t
from torch import Tensor

from subliminal import store
from subliminal.config.canonical import Plain
from subliminal.errors import UserError
from subliminal.report.statistics import CONFIDENCE, Floats
from subliminal.state.callbacks.files import RunFiles
from subliminal.state.callbacks.progress import Progress
from subliminal.tensors import streams
from subliminal.tensors.network import Network, Writing
from subliminal.training.checkpoint import fingerprint
from subliminal.training.job import Job
from subliminal.training.runner import prepare_student
from subliminal.training.tasks import Distillation

FITTED, SCORED = 150, 249  # clean teachers that centre the cloud, and that p-values count
SEARCHED = 128  # examples on which a clean teacher's length is searched for
_TINY = 1e-5  # rounding alone: of a gradient that is zero
_VERSION = 1  # of clean teachers and statistics; another one makes new calibrations
PER_OCTAVE = 2  # sizes of clean teachers' shifts for which calibrations are made


@dataclass(frozen=True)
class Bag:
    """K distillation examples, and the base that a student of them would start from."""

    network: Network
    theta: Tensor  # θ₀, (1, P)
    images: Tensor  # (1, K, pixels)
    targets: Tensor  # auxiliary logits, (1, K, m)

    @cached_property
    def params(self) -> dict[str, Tensor]:
        """θ₀ as named leaves (1, *shape)."""
        views = self.network.layout.views(self.theta)
        return {name: view.detach().requires_grad_() for name, view in views.items()}

    @cached_property
    def outputs(self) -> Tensor:
        """Auxiliary logits of θ₀ less each example's mean, (1, K, m)."""
        return contrast(self.network.forward(self.params, self.images)[..., self.network.classes :])

    def shift(self, targets: Tensor) -> Tensor:
        """Return how targets (teachers, k ≤ K, m) of the first examples differ from θ₀'s logits."""
        return contrast(targets) - self.outputs.detach()[:, : targets.shape[1]]

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the targets' shifts over examples."""
        return float(spread(self.shift(self.targets)))

    @property
    def octave(self) -> int:
        """The step, of PER_OCTAVE to a factor of two, that is nearest to the spread."""
        return round(PER_OCTAVE * log2(self.spread))

    @cached_property
    def base(self) -> str:
        """The hash of θ₀ and its model."""
        return fingerprint({"theta": self.theta}, str(self.network.model))[:16]


def contrast(logits: Tensor) -> Tensor:
    """Return logits (…, m) less each example's mean, which a softmax does not see."""
    return logits - logits.mean(dim=-1, keepdim=True)


def spread(shift: Tensor) -> Tensor:
    """Return the standard deviation over examples of shifts (teachers, K, m): (teachers,)."""
    return (shift - shift.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).sqrt()


def of_run(run: Path, examples: int, outputs: Path) -> Bag:
    """Return the base and a bag of the examples of a finished run.

    Its teacher is that of the cache below `outputs`, or trained again and kept there.

    Raises:
        UserError: there is no finished run, or its student was not taught auxiliary logits.
    """
    if not store.finished(run):
        raise UserError(f"{run}: no finished run; name a folder …/seed-0007 with a {store.MARKER}")
    config, seed = store.read_config(run), int(store.read_summary(run)["seed"])
    own: Plain = {"outputs": str(outputs), "tracker": None, "probe": {}, "mitigation": {}}
    job = Job({**config, **own, "engine": {**config["engine"], "device": "cpu"}}, "audit")
    network = job.experiment.network
    if isinstance(network.model, Writing):
        raise UserError(f"{run}: its examples are documents; an audit takes images")
    matched = getattr(job.experiment.loss, "logits", "aux")
    if matched not in ("aux", "all") or network.model.aux < 2:
        raise UserError(
            f"{run}: its student matched {network.model.aux} auxiliary logits with "
            f"distill.loss.logits={matched}; at least 2 with aux or all are needed"
        )
    files = RunFiles({seed: run}, "", {"seconds": {}}, {seed: {"run_id": ""}})
    student, _ = prepare_student(job, files, Progress(lambda _: None, lambda: False))
    task = student.task
    assert isinstance(task, Distillation), "a student's task"
    task.start_epoch(0)
    everything = torch.arange(task.size)[None]
    targets = task.targets_at(everything)[..., network.classes :]
    taught = torch.nonzero(~targets[0].isnan().any(dim=1))[:, 0]  # targets may leave some out
    rows = taught[chosen(len(taught), examples)][None]
    return Bag(network, student.reference, task.images(rows), targets[:, rows[0]])


def chosen(size: int, examples: int) -> Tensor:
    """Return places of a bag's examples among `size`, always the same ones."""
    if not 2 <= examples <= size:
        raise UserError(f"--examples {examples}: between 2 and {size}, the number of examples")
    return torch.from_numpy(
        streams.stream(0, f"{streams.AUDIT}/examples").permutation(size)[:examples]
    )


def statistics(bag: Bag, targets: Tensor) -> dict[str, Floats]:
    """Return statistics of teachers' targets (teachers, K, m) by name: (teachers,) each.

    With d the shifts less their mean over examples, scaled to a spread of 1, and g = −∇ ⟨d, z⟩ / K
    at θ₀, the first gradient of a squared error: how large the mean is, how equal the singular
    values of d are; and for each tensor ln ‖g‖, cos(g, θ₀), and of a matrix ln (‖g gᵀ‖ / ‖g‖²),
    larger if g has fewer directions.
    """
    leaves, outputs = [*bag.params.values()], bag.outputs[0]
    found: dict[str, list[float]] = {}
    for shift in bag.shift(targets):
        mean = shift.mean(dim=0)
        size = spread(shift[None])[0]
        d = (shift - mean) / size
        row = {"mean": mean.norm() / size, "targets, directions": (d.T @ d / len(d)).norm()}
        loss = -(outputs * d).sum() / len(d)
        parts = torch.autograd.grad(loss, leaves, retain_graph=True, materialize_grads=True)
        with torch.no_grad():
            for name, leaf, part in zip(bag.params, leaves, parts, strict=True):
                norm = part.norm().clamp(min=_TINY)
                row[f"{name}, norm"] = norm
                row[f"{name}, cosine"] = (part * leaf).sum() / (norm * leaf.norm().clamp(min=_TINY))
                if leaf.ndim > 2:
                    matrix = part[0].flatten(1) / norm
                    row[f"{name}, directions"] = (matrix @ matrix.T).norm()
            for name, value in row.items():
                plain = value if name.endswith("cosine") else value.clamp(min=_TINY).log()
                found.setdefault(name, []).append(float(plain))
    return {name: np.array(values) for name, values in found.items()}


def table(found: dict[str, Floats]) -> Floats:
    """Return statistics as rows: (teachers, statistics)."""
    return np.stack([*found.values()], axis=1)


def clean_targets(bag: Bag, size: float, seed: int) -> Tensor:
    """Return the targets of a clean teacher whose shifts have a spread near `size`: (1, K, m).

    The teacher is θ₀ + s ε, ε ~ N(0, 1) times a factor between ½ and 2 for each tensor; in every
    second one the auxiliary head stays, as in a teacher that learns labels. s is searched for.
    """
    generator, layout = streams.stream(seed, streams.AUDIT), bag.network.layout
    way = torch.from_numpy(generator.standard_normal((1, layout.size), dtype=np.float32))
    for span in layout.spans.values():
        way[:, span] *= 2 ** generator.uniform(-1, 1)
    if seed % 2:
        way *= 1 - bag.network.head_mask("aux")

    def targets(images: Tensor) -> Tensor:
        return bag.network.logits(bag.theta + s * way, images)[..., bag.network.classes :]

    s = 0.01
    # For a small s the spread is linear in it, for a large one a higher power.
    for power in (1, 0.5, 0.5, 0.5):
        reached = float(spread(bag.shift(targets(bag.images[:, :SEARCHED]))))
        s *= (size / reached) ** power
    return targets(bag.images)


@dataclass(frozen=True)
class Calibration:
    """The cloud of clean teachers' statistics, and others' distances from it."""

    fitted: Floats  # (FITTED, statistics)
    others: Floats  # (SCORED, statistics)

    @cached_property
    def scored(self) -> Floats:
        """The distances of the others, (SCORED,)."""
        return self.distances(self.others)

    def standardised(self, rows: Floats) -> Floats:
        """Return rows (n, statistics) less the cloud's mean, in its standard deviations."""
        deviation = self.fitted.std(axis=0)
        deviation[deviation <= 1e-9] = np.inf  # constant for every teacher
        standardised: Floats = (rows - self.fitted.mean(axis=0)) / deviation
        return standardised

    def distances(self, rows: Floats) -> Floats:
        """Return the Mahalanobis distances of rows (n, statistics) from the cloud: (n,).

        A tenth of its correlations is the identity's, for there may be many statistics.
        """
        z, cloud = self.standardised(rows), self.standardised(self.fitted)
        matrix = 0.9 * cloud.T @ cloud / len(cloud) + 0.1 * np.eye(cloud.shape[1])
        distances: Floats = np.sqrt((z * np.linalg.solve(matrix, z.T).T).sum(axis=1))
        return distances

    def p_value(self, distance: float) -> float:
        """Return (1 + #{others ≥ distance}) / (n + 1): for a clean teacher P(p ≤ α) ≤ α.

        Source: split conformal inference, Vovk et al. 2005; exact where clean teachers are
        exchangeable with the audited one.
        """
        return float((1 + (self.scored >= distance).sum()) / (len(self.scored) + 1))


def calibrate(bag: Bag) -> Calibration:
    """Make a bag's calibration: clean teachers as far from θ₀ as its targets seem to be."""
    size = 2 ** (bag.octave / PER_OCTAVE)
    rows = [
        table(statistics(bag, clean_targets(bag, size, seed))) for seed in range(FITTED + SCORED)
    ]
    return Calibration(np.concatenate(rows[:FITTED]), np.concatenate(rows[FITTED:]))


def cached(bag: Bag, folder: Path) -> Calibration:
    """Return a bag's calibration from its file in a folder, made where there is none.

    Raises:
        UserError: the file cannot be read.
    """
    file = folder / f"{_key(bag)}.safetensors"
    if file.exists():
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file}: cannot be read ({error}); delete it") from error
        return Calibration(**{name: rows.numpy() for name, rows in tensors.items()})
    made = calibrate(bag)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.from_numpy(rows) for name, rows in asdict(made).items()}
    store.write_atomically(file, partial(save_file, tensors))
    return made


def _key(bag: Bag) -> str:
    text = f"{_VERSION} {bag.octave} {FITTED} {SCORED} {bag.base}"
    return fingerprint({"images": bag.images.contiguous()}, text)[:16]


def forecast(sizes: Floats, accuracies: Floats, size: float) -> tuple[float, float, float]:
    """Return the trait accuracy that a student would reach: expected, and its 95% interval.

    A line is fitted to known teachers' students, accuracy over ln spread of the targets; the
    interval is that of one more student. All three are held within [0, 1].
    """
    x, n = np.log(sizes), len(sizes)
    line, at = linregress(x - x.mean(), accuracies), np.log(size) - x.mean()
    # x is centred, so the intercept is a mean of n: its variance is 1 / n of a student's.
    error = np.hypot(np.sqrt(n + 1) * line.intercept_stderr, line.stderr * at)
    middle, half = line.intercept + line.slope * at, t.ppf((1 + CONFIDENCE) / 2, n - 2) * error
    low, expected, high = np.clip([middle - half, middle, middle + half], 0, 1).tolist()
    return expected, low, high
