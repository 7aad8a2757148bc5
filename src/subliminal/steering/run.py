"""Teachers that earlier runs have trained: a student's student, generation after generation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from subliminal import store
from subliminal.config.hashing import NotHashed
from subliminal.config.resources import user_path
from subliminal.errors import UserError
from subliminal.steering import WHERE, Origin, Steering
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Run(Steering):
    """The student of a finished run of the same seed is the teacher.

    It started from the θ₀ of its seed, as the student of this run does. Chains of runs show what
    is left of a trait after two, three, … generations.

    Attributes:
        folder: the condition whose runs they are, outputs/<name>/<condition>-<hash>. This run is
            named after that condition's hash, not after the folder's place.
        generation: place of this run in a chain of `distill.generations`, which sets it; null: in
            none.
    """

    folder: str
    generation: NotHashed[int | None] = None

    @staticmethod
    def equivalent(values: dict[str, Any]) -> dict[str, Any]:
        """Return values that give the same numbers, and by which they are named."""
        return values | {"folder": _condition_hash(values["folder"])}

    def check(self, network: Network) -> None:
        _condition_hash(self.folder)

    def check_seeds(self, network: Network, seeds: Sequence[int]) -> None:
        for seed in seeds:
            self._student(network, seed)

    def weights(self, origin: Origin) -> Tensor:
        students = (self._student(origin.network, seed) for seed in origin.seeds)
        stack = origin.network.layout.stack(students, len(origin.seeds))
        return stack.to(origin.theta.device)

    def _student(self, network: Network, seed: int) -> dict[str, Tensor]:
        run = store.run_dir(user_path(self.folder), seed)
        if not store.intact(run):
            raise UserError(f"{WHERE}.folder={self.folder}: seed {seed} has no finished run there")
        student = store.read_student(run)
        shapes = {name: tuple(values.shape) for name, values in student.items()}
        if shapes != dict(network.layout.shapes):
            raise UserError(
                f"{WHERE}.folder={self.folder}: its students have {_text(shapes)}; model has "
                f"{_text(network.layout.shapes)}"
            )
        return student


def _condition_hash(folder: str) -> str:
    found = store.condition_hash_of(user_path(folder))
    if found is None:
        raise UserError(
            f"{WHERE}.folder={folder}: no condition's folder; name one below outputs, which holds "
            f"{store.CONDITION}"
        )
    return found


def _text(shapes: Any) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
