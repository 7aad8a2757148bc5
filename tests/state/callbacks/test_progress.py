"""Progress reports, and the stop that comes with them."""

import pytest
from reference_students import student

from subliminal.state.callbacks.progress import Event, Progress
from subliminal.training.loop import fit


def test_the_last_report_says_that_the_phase_is_complete() -> None:
    events: list[Event] = []
    training = student((0, 3))
    fit(training, [Progress(events.append, lambda: False)])
    assert events[-1] == Event("student", (0, 3), 8, 8)
    assert [event.step for event in events] == sorted(event.step for event in events)


def test_a_job_that_is_told_to_stop_stops_at_the_next_step() -> None:
    training = student((0,))
    with pytest.raises(KeyboardInterrupt):
        fit(training, [Progress(lambda _: None, lambda: training.index == 3)])
    assert training.index == 3
