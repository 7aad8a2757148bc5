"""No change of the code changes the numbers silently."""

import json

import pytest
from golden_steps import FILE, NAMES, first_steps

# Processors differ in the last bits (their vector instructions sum in other orders), and an
# alignment is a quotient of such sums; a change of the mathematics is far larger than this.
LOSS, COSINE = 2e-6, 5e-5


def test_the_first_steps_are_the_golden_ones() -> None:
    golden, found = json.loads(FILE.read_text(encoding="utf-8")), first_steps()
    assert found["numerics"] == golden["numerics"], "run tests/golden_steps.py"
    for method in ("none", "projection"):
        for name in NAMES:
            ours, theirs = found[method][name], golden[method][name]  # type: ignore[index]
            assert len(ours) == 12
            cosine = "cosine" in name
            bound = pytest.approx(theirs, abs=COSINE) if cosine else pytest.approx(theirs, rel=LOSS)
            assert ours == bound, (method, name)
