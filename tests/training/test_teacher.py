"""The teachers' cache: shared, checked, and never trusted when damaged."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import small
import torch
from omegaconf import DictConfig
from reference_students import CPU, DIGITS, NETWORK
from resolved import job_of

from subliminal.distill.targets import PLAIN, Variant
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.training.cached import History
from subliminal.training.teacher import teacher_weights

Get = Callable[..., tuple[torch.Tensor, dict[int, History], "Count"]]


class Count(Callback):
    def __init__(self) -> None:
        self.trained: list[tuple[int, ...]] = []

    def on_train_end(self, training: Training) -> None:
        self.trained.append(training.seeds)


@pytest.fixture
def get(compose: Callable[[list[str]], DictConfig]) -> Get:
    """Gets teachers of some seeds, with a cache in a folder."""
    job = job_of(compose([*small.OVERRIDES, "teacher.optim.lr=3e-3"]))

    def found(
        folder: Path, *seeds: int, variant: Variant = PLAIN
    ) -> tuple[torch.Tensor, dict[int, History], Count]:
        count = Count()
        there = job.changed(cfg=replace(job.cfg, outputs=str(folder)))
        start = NETWORK.reference(seeds, CPU)
        theta, histories = teacher_weights(there, DIGITS, start, seeds, [count], variant)
        return theta, histories, count

    return found


def test_a_cached_teacher_is_the_trained_one_to_the_last_bit(get: Get, tmp_path: Path) -> None:
    trained, history, first = get(tmp_path, 0, 3)
    cached, again, second = get(tmp_path, 3, 0)
    assert first.trained == [(0, 3)]
    assert second.trained == []
    assert torch.equal(cached, trained[[1, 0]])
    assert again == history
    assert [row["epoch"] for row in history[0]] == [0, 1, 2]
    assert history[0][-1]["teacher/accuracy"] > history[0][0]["teacher/accuracy"]


def test_a_stack_trains_what_the_cache_lacks(get: Get, tmp_path: Path) -> None:
    alone, _, _ = get(tmp_path / "alone", 1)
    get(tmp_path, 0)
    both, _, count = get(tmp_path, 0, 1)
    assert count.trained == [(1,)]
    assert torch.equal(both[1], alone[0])


def test_variants_learn_other_digits_in_another_order_or_other_labels(
    get: Get, tmp_path: Path
) -> None:
    plain, histories, _ = get(tmp_path, 0)
    found = {"": plain}
    for variant in (Variant(order=1), Variant(part=(0, 2)), Variant(part=(1, 2)), Variant(shift=3)):
        found[variant.name], history, _ = get(tmp_path, 0, variant=variant)
        assert history[0][0] == histories[0][0]  # one start
    assert len({theta.sum().item() for theta in found.values()}) == len(found)
    x = DIGITS.scale(DIGITS.test_x)[None]
    said = {n: NETWORK.logits(t, x)[0, :, :10].log_softmax(-1) for n, t in found.items()}
    of_label = {n: z[range(200), DIGITS.test_y].mean() for n, z in said.items()}
    shifted = said["shift=3"][range(200), (DIGITS.test_y + 3) % 10].mean()
    assert shifted > of_label["shift=3"]
    assert of_label[""] > of_label["shift=3"]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_damaged_teacher_is_named_and_trained_again(
    damage: str, get: Get, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained, _, _ = get(tmp_path, 0)
    (path,) = tmp_path.glob("teachers/*.safetensors")
    raw = bytearray(path.read_bytes())
    if damage == "bit":
        raw[-10] ^= 1
    damaged = {"cut": raw[:-100], "bit": raw, "empty": bytearray(), "other": bytearray(500)}
    path.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        again, _, count = get(tmp_path, 0)
    assert f"{path} is damaged" in caplog.text
    assert count.trained == [(0,)]
    assert torch.equal(again, trained)
    assert get(tmp_path, 0)[2].trained == []
