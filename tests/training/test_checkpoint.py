"""An interrupted training resumes from its checkpoint as if undisturbed, bit for bit."""

import json
import logging
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import pytest
import torch
from reference_students import student
from safetensors.torch import load_file, save_file
from test_independence import MITIGATIONS, OPTIMS, probes

from subliminal.optim import Optim
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.losses import Losses
from subliminal.state.tables import epoch_rows, step_rows
from subliminal.training import checkpoint
from subliminal.training.checkpoint import Checkpoints
from subliminal.training.loop import fit

SEEDS = (4, 0, 7)
PROJECTION = "projection of the update, probe batch"


class Cut(Callback):
    """Ends the training as a kill would: at once."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: Step) -> None:
        if step.index == self.step:
            raise KeyboardInterrupt


def observers() -> list[Callback]:
    return [Losses("distill/loss"), *probes()]


def trained(
    folder: Path, seeds: tuple[int, ...], method: str, optim: Optim, cut: int | None = None
) -> Training:
    """Train with checkpoints, from those that are there; cut it off before an update."""
    folder.mkdir(exist_ok=True)
    training = student(seeds, mitigations=MITIGATIONS[method], optim=optim, epochs=3)
    paths = {seed: folder / f"{seed}.checkpoint" for seed in seeds}
    saved = [one for path in paths.values() if (one := checkpoint.read(path))]
    watching: Sequence[Callback] = observers()
    extra = [] if cut is None else [Cut(cut)]
    try:
        fit(training, [*watching, *extra, Checkpoints(paths, watching)], saved)
    except KeyboardInterrupt:
        assert cut is not None
    return training


def same(one: Training, other: Training) -> None:
    """The weights and the tables, with the order of their columns, are the same."""
    assert torch.equal(one.theta, other.theta)
    for column in range(len(one.seeds)):
        for table in (step_rows, epoch_rows):
            ours, theirs = table(one, column), table(other, column)
            assert columns(ours) == columns(theirs)
            assert json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)


def columns(rows: list[dict[str, float]]) -> list[str]:
    """Return the names in the order in which a file has them."""
    return list(dict.fromkeys(name for row in rows for name in row))


@pytest.mark.parametrize(
    ("method", "optim"),
    list(zip(cycle(["liminal", "none", PROJECTION]), OPTIMS, strict=False)),
    ids=[type(optim).__name__ for optim in OPTIMS],
)
def test_what_goes_on_is_what_was_never_cut_off(method: str, optim: Optim, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", SEEDS, method, optim)
    assert whole.steps == 12
    # Interrupted in each epoch, the first (nothing to resume from) and the last included.
    for cut in (2, 5, 11):
        cut_off = trained(tmp_path, SEEDS, method, optim, cut=cut)
        assert cut_off.index == cut
    again = trained(tmp_path, SEEDS, method, optim)
    same(again, whole)


def test_seeds_of_one_stack_may_go_on_in_another(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", SEEDS, "liminal", OPTIMS[0])
    for seed in SEEDS:
        trained(tmp_path, (seed,), "liminal", OPTIMS[0], cut=9)
    same(trained(tmp_path, SEEDS, "liminal", OPTIMS[0]), whole)


def test_a_checkpoint_of_the_last_epoch_needs_no_step(tmp_path: Path) -> None:
    whole = trained(tmp_path, SEEDS[:1], "none", OPTIMS[0])
    same(trained(tmp_path, SEEDS[:1], "none", OPTIMS[0], cut=0), whole)


def test_seeds_are_stacked_by_their_progress(tmp_path: Path) -> None:
    for seed, cut in ((1, 5), (2, 9), (3, 6), (4, 1)):
        trained(tmp_path, (seed,), "none", OPTIMS[0], cut=cut)
    paths = {seed: tmp_path / f"{seed}.checkpoint" for seed in range(1, 6)}
    split = checkpoint.stacks(paths, resume=True)
    assert [seeds for seeds, _ in split] == [(5,), (1, 3), (2,), (4,)]
    assert [[one.index for one in saved] for _, saved in split] == [[], [4, 4], [8], [0]]
    assert checkpoint.stacks(paths, resume=False) == [((1, 2, 3, 4, 5), [])]
    named = checkpoint._named([Losses("a"), Cut(1), Losses("b")])
    assert [*named] == ["callback.Losses.0", "callback.Cut.0", "callback.Losses.1"]


def test_a_failed_seed_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    paths = {seed: tmp_path / str(seed) for seed in (0, 3)}
    failed: dict[int, str] = {}

    class Fail(Callback):
        def on_epoch_end(self, training: Training) -> None:
            if training.index == 8:
                failed[3] = "broken"

    named = Checkpoints(paths, [], failed=failed, facts=lambda seed: {"seed": seed})
    fit(student((0, 3), epochs=3), [Fail(), named])
    read = {seed: checkpoint.read(path) for seed, path in paths.items()}
    assert {seed: one.index for seed, one in read.items() if one} == {0: 12, 3: 4}
    assert [one and one.facts for one in read.values()] == [{"seed": 0}, {"seed": 3}]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "format", "missing key"])
def test_a_damaged_checkpoint_is_named_and_not_used(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "0.checkpoint"
    content = {"index": 4, "facts": {}, "names": [], "of_network": []}
    tensors = {"theta": torch.arange(100.0)}
    checkpoint.write(path, tensors, content | {"format": checkpoint.FORMAT})
    saved = checkpoint.read(path)
    assert saved is not None
    assert saved.index == 4
    assert torch.equal(saved.tensors["theta"], tensors["theta"])
    raw = bytearray(path.read_bytes())
    if damage == "format":
        checkpoint.write(path, tensors, content | {"format": checkpoint.FORMAT + 1})
    elif damage == "missing key":
        save_file(load_file(path), path)
    else:
        if damage == "bit":
            raw[-10] ^= 1
        damaged = {"cut": raw[:-100], "bit": raw, "empty": bytearray()}
        path.write_bytes(damaged[damage])
    why = {"bit": "(its content does not have its checksum) and"}
    why["format"] = "(its format is that of another version) and"
    with caplog.at_level(logging.WARNING):
        assert checkpoint.read(path) is None
    assert why.get(damage, "") in caplog.text
    assert "0.checkpoint is damaged" in caplog.text
    assert checkpoint.read(tmp_path / "none") is None
    # A cached teacher has no content.
    save_file(tensors, path, metadata={"sha256": checkpoint.fingerprint(tensors)})
    assert checkpoint.read_checked(path, "", lambda found, _: [*found]) == ["theta"]


def test_a_full_disk_leaves_the_last_checkpoint_and_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[int] = []
    write = checkpoint.write

    def full(path: Path, tensors: object, content: dict[str, int]) -> None:
        if content["index"] > 4:
            raise OSError(28, "No space left on device")
        written.append(content["index"])
        write(path, tensors, content)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write", full)
    training = student((0,), epochs=3)
    fit(training, [Checkpoints({0: tmp_path / "0"}, [])])
    assert training.index == 12
    assert written == [0, 4]
    saved = checkpoint.read(tmp_path / "0")
    assert saved is not None
    assert saved.index == 4
    assert "No space left" in caplog.text
