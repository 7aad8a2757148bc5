"""No change of the code changes the numbers silently."""

import json
from pathlib import Path

import pytest
from golden_steps import FILE, MNIST, NAMES, STEPS, first_steps, first_steps_on_mnist

from subliminal import metrics

# Processors differ in the last bits (their vector instructions sum in other orders), and an
# alignment is a quotient of such sums; a change of the mathematics is far larger than this.
LOSS, COSINE = 2e-6, 5e-5
AFTER_A_TEACHER = 1e-3  # an epoch of Adam blows those bits up


def agree(golden: dict[str, list[float]], found: dict[str, list[float]], loss: float) -> None:
    assert golden.keys() == found.keys() == set(NAMES)
    for name, theirs in golden.items():
        assert len(found[name]) == STEPS
        cosine = "cosine" in name
        bound = pytest.approx(theirs, abs=COSINE) if cosine else pytest.approx(theirs, rel=loss)
        assert found[name] == bound, name


def test_the_first_steps_are_the_golden_ones() -> None:
    golden, found = json.loads(FILE.read_text(encoding="utf-8")), first_steps()
    assert found["numerics"] == golden["numerics"], "run tests/support/golden_steps.py"
    for method in ("none", "projection"):
        agree(golden[method], found[method], LOSS)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.mnist
def test_so_are_those_on_mnist(tmp_path: Path) -> None:
    """Those of one kind of processor: an epoch of Adam takes two kinds up to 0.006 apart."""
    found = first_steps_on_mnist(tmp_path)
    of_kinds = [json.loads(file.read_text(encoding="utf-8")) for file in MNIST]
    assert {golden["numerics"] for golden in of_kinds} == {found["numerics"]}
    first = metrics.DISTILL_LOSS
    nearest = min(of_kinds, key=lambda g: abs(g["none"][first][0] - found["none"][first][0]))  # type: ignore[index]
    agree(nearest["none"], found["none"], AFTER_A_TEACHER)  # type: ignore[arg-type]
