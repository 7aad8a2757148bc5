"""The helpers of the benchmarks."""

import json
from pathlib import Path

import measure
import pytest
import torch
from measure import flops_per_pass, keep
from torch.utils.flop_counter import FlopCounterMode
from usual import model


def test_a_pass_is_what_torch_counts_for_forward_and_backward() -> None:
    images = 16
    with FlopCounterMode(display=False) as counter:
        model()(torch.randn(images, 1, 28, 28)).sum().backward()
    assert flops_per_pass() / measure.IMAGES * images == counter.get_total_flops()


def test_a_failed_command_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such luck"):
        measure.run(tmp_path, ["-c", "raise SystemExit('no such luck')"])


def test_commands_run_side_by_side(tmp_path: Path) -> None:
    # Each waits for the other's file: one after the other they would never end.
    code = (
        "import pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)"
    )
    timed = measure.run(tmp_path, ["-c", code, "a", "b"], ["-c", code, "b", "a"])
    assert timed.seconds > 0
    assert timed.runs == []


@pytest.mark.parametrize("name", ["a.checkpoint", "a.safetensors"])
def test_the_first_step_is_seen_however_short_the_training_was(tmp_path: Path, name: str) -> None:
    # A checkpoint goes when its teacher is there, maybe between two looks.
    (tmp_path / "outputs/teachers").mkdir(parents=True)
    code = f"import pathlib; pathlib.Path('outputs/teachers/{name}').touch()"
    timed = measure.run(tmp_path, ["-c", code])
    assert timed.first_step is not None
    assert 0 < timed.first_step <= timed.seconds


def test_without_a_training_there_is_no_first_step(tmp_path: Path) -> None:
    assert measure.run(tmp_path, ["-c", ""]).first_step is None


def test_core_seconds_are_of_work_not_of_waiting(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 1.5: pass"
    waiting = "import time; time.sleep(1.5)"
    worked = measure.run(tmp_path, ["-c", work])
    waited = measure.run(tmp_path, ["-c", waiting])
    assert waited.core_seconds < 0.5 < 1.0 < worked.core_seconds < 1.6


def test_history_tells_how_a_figure_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "RECORDS", tmp_path)
    assert keep("bench", {"a": 1}, {"s per seed": 4.0}) == []
    keep("scale", {}, {"s per seed": 100.0})  # another benchmark, not to be compared with
    assert keep("bench", {"a": 2}, {"s per seed": 5.0, "new": 1.0}) == [
        "s per seed: 5, +25% against the last run"
    ]
    assert json.loads((tmp_path / "bench.json").read_text())["a"] == 2
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["figures"]["s per seed"] for line in lines] == [4.0, 100.0, 5.0]
