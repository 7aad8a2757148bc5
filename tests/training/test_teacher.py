"""The teachers' cache: shared, checked, and never trusted when damaged."""

import logging
from pathlib import Path

import pytest
import torch
from students import ADAM, CPU, DIGITS, NETWORK

from subliminal.callbacks import Callback
from subliminal.state import Training
from subliminal.training.teacher import History, teachers


class Count(Callback):
    def __init__(self) -> None:
        self.trained: list[tuple[int, ...]] = []

    def on_train_end(self, training: Training) -> None:
        self.trained.append(training.seeds)


def get(folder: Path, *seeds: int) -> tuple[torch.Tensor, dict[int, History], Count]:
    count = Count()
    theta, histories = teachers(
        {seed: folder / f"{seed}.safetensors" for seed in seeds},
        NETWORK,
        ADAM,
        DIGITS,
        NETWORK.reference(seeds, CPU),
        epochs=2,
        batch_size=64,
        callbacks=[count],
    )
    return theta, histories, count


def test_a_cached_teacher_is_the_trained_one_to_the_last_bit(tmp_path: Path) -> None:
    trained, history, first = get(tmp_path, 0, 3)
    cached, again, second = get(tmp_path, 3, 0)
    assert first.trained == [(0, 3)]
    assert second.trained == []
    assert torch.equal(cached, trained[[1, 0]])
    assert again == history
    assert [row["epoch"] for row in history[0]] == [0, 1, 2]
    assert history[0][-1]["teacher/accuracy"] > history[0][0]["teacher/accuracy"]


def test_a_stack_trains_what_the_cache_lacks(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone, _, _ = get(tmp_path / "alone", 1)
    get(tmp_path, 0)
    both, _, count = get(tmp_path, 0, 1)
    assert count.trained == [(1,)]
    assert torch.equal(both[1], alone[0])


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_damaged_teacher_is_named_and_trained_again(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained, _, _ = get(tmp_path, 0)
    path = tmp_path / "0.safetensors"
    raw = bytearray(path.read_bytes())
    if damage == "bit":
        raw[-10] ^= 1
    damaged = {"cut": raw[:-100], "bit": raw, "empty": bytearray(), "other": bytearray(500)}
    path.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        again, _, count = get(tmp_path, 0)
    assert "0.safetensors is damaged" in caplog.text
    assert count.trained == [(0,)]
    assert torch.equal(again, trained)
    assert get(tmp_path, 0)[2].trained == []
