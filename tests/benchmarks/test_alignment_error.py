"""The probe that compares the alignment with float64."""

import pytest
from alignment_error import SUMS, WHOLE, AlignmentError, of
from polars import Series
from reference_students import logged, student

from subliminal.probes.alignment import Alignment
from subliminal.training.loop import fit


def test_errors_are_of_the_size_of_rounding() -> None:
    training = student()
    fit(training, [Alignment(every=1, layers=False), AlignmentError(every=2)])
    sums, whole = logged(training, SUMS), logged(training, WHOLE)
    assert len(sums) == len(whole) == training.steps / 2
    assert 0 < abs(sums).max() < 1e-6
    assert 0 < abs(whole).max() < 1e-5


def test_the_spread_of_errors() -> None:
    assert dict(of(Series([3.0, -4.0]))) == pytest.approx({"rms": 12.5**0.5, "largest": 4.0})
