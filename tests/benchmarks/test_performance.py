"""docs/performance.md: targets beside what was reached, and no number that was not measured."""

from typing import Any

import performance
from measure import flops_per_pass
from parts import PYTHON
from start import COMPOSED, FILES_OF_CELL, STEPS_OF_CELL, TORCH, WORKERS_IMPORTS

MADE = {
    "made": "2026-11-25T00:00:00+00:00",
    "environment": {"processor": "a processor", "packages": {"torch": "2"}, "git_commit": "abc"},
}


def bench(over_floor: float) -> dict[str, Any]:
    case = {
        "seeds": 4,
        "s per seed": 4.0,
        "repeats, s per seed": [3.5, 4.5],
        "loops, s per seed": 3.0,
        "loops, min and max over seeds": [2.9, 3.1],
        "passes": 15,
        "over floor": over_floor,
        "training loops over floor": 1.1,
        "core s per seed": 8.0,
        "peak GB": 2.0,
    }
    return {
        **MADE,
        "repeats": 2,
        "cores": 2,
        "matrix rate, GFLOP/s": 300.0,
        "matrix rate, min and max": [290.0, 310.0],
        "matrix rate, bf16, over fp32": 1.5,
        "s per pass": 0.2,
        "cases": {"mitigation=none": case},
        "ratios": {"no probe / usual": 12.0},
        "seconds until": {"--help": 0.4},
    }


def test_targets_are_reached_missed_or_not_measured() -> None:
    page = performance.page({"bench": bench(over_floor=1.5)})
    rows = [line.split(" | ") for line in page.splitlines()]
    of = {row[0].removeprefix("| "): row[2:] for row in rows if len(row) == 4}
    assert of["`mitigation=none`, everything included, over the floor"] == ["1.50", "**missed** |"]
    assert of["`mitigation=none`, training loops alone, over the floor"] == ["1.10", "reached |"]
    assert of["no probe, against the usual loop"] == ["12.00", "reached |"]
    assert of["`--cfg job`, s"] == ["not measured", " |"]
    assert "Where the time goes" not in page


def test_parts_are_set_against_the_floor() -> None:
    record = {**MADE, "threads": 1, "seconds": 10.0, "parts": {"products": 6.6, "copies": 0.6}}
    page = performance.page({"bench": bench(over_floor=1.5), "parts": record})
    floor = 15 * 0.2 * 2  # passes of a seed, on two cores
    assert f"| products | 6.60 | 66% | {6.6 / floor:.2f} | – |" in page
    assert "With bf16 factors the machine multiplies 1.50 × as fast." in page


def test_misses_are_explained_by_what_was_profiled() -> None:
    watched = {"products": 6.0, PYTHON: 4.0, "copies": 2.0}
    start = {
        **MADE,
        "seconds until": {TORCH: 2.0, WORKERS_IMPORTS: 3.0},
        "peak GB": {"two workers": 0.9},
        "ms of a cell": {COMPOSED: 9.0, FILES_OF_CELL: 12.0, STEPS_OF_CELL: 5.0},
    }
    measured = bench(over_floor=1.5)
    measured["ratios"]["medium / highest, loops"] = 1.2
    measured["seconds until"]["first training step"] = 5.0
    page = performance.page(
        {
            "bench": measured,
            "parts": {**MADE, "threads": 1, "seconds": 12.0, "parts": watched},
            "parts_all": {**MADE, "parts": watched | {"copies": 2.5, PYTHON: 5.0}},
            "start": start,
        }
    )
    # Products are 6 of torch's 8 s, and the floor is 6 s.
    assert "watched seed's 2.00 × the floor, products are 1.00" in page
    assert f"can make it {1 / (0.25 + 0.75 / 1.5):.2f} × as fast; 1.20 was measured" in page
    assert "2.0 s of 5.0 are the import of torch" in page
    assert f"add most to: {PYTHON} +1.00 s, copies +0.50 s, products +0.00 s." in page
    assert "files and checkpoints are 12 ms of each, Hydra's composing of its job 9, the" in page


def test_every_target_of_a_case_names_one_that_is_measured() -> None:
    import bench as benchmark

    cases = {case.name for case in benchmark.CASES}
    assert {f"mitigation={name}" for name in ("none", "liminal", "projection")} <= cases


def test_a_gpus_jobs_are_set_against_its_own_rate() -> None:
    job = {"seeds": 20, "stack": 20, "seconds": 5.0, "device_gb": 4.4, "trait": 0.55}
    record = {
        **MADE,
        "parts": {
            "machine": {"name": "a card", "torch": "2", "tflops_highest": 40, "tflops_high": 300},
            "jobs": {"none": job, "warm-up": job, "same bits again": True, "seconds": 30.0},
            "command": {"seconds_in_all": 9.0, "first_step": 6.0, "host_gb": 3.0},
        },
    }
    page = performance.page({"gpu": record})
    (row,) = (line for line in page.splitlines() if line.startswith("| none |"))
    floor = 20 * 15 * flops_per_pass() / 40e12
    assert row == f"| none | 20 | 20 | 5.00 | 250 | {5 / floor:.1f} | 4.4 | 0.550 |"
    assert "warm-up" not in page
    assert "9.0 s, start-up included, 6.0 s to its first training step" in page


def test_a_start_and_a_peak_are_shown_by_what_they_are_made_of() -> None:
    record = {
        **MADE,
        "seconds until": {"… and torch": 2.25},
        "peak GB": {"two workers": 0.9},
        "ms of a cell": {"files": 12.0},
    }
    page = performance.page({"start": record})
    assert "| … and torch | 2.25 |" in page
    assert "| two workers | 0.90 |" in page
    assert "| files | 12.0 |" in page
