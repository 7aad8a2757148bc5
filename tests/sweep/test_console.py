"""Lines and progress: what is shown on a terminal, and what is not elsewhere."""

import io
import sys

import pytest
from rich.console import Console as RichConsole
from rich.progress import Progress

from subliminal.state.callbacks.progress import Event
from subliminal.sweep import console
from subliminal.sweep.console import Console, JobProgress


@pytest.fixture
def bar() -> Progress:
    """A bar with the columns' data, shown nowhere."""
    return Progress(console=RichConsole(file=io.StringIO()), disable=True)


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Console().say("outputs/[red]main, a line of any length " + "x" * 300)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "outputs/[red]main, a line of any length " + "x" * 300 + "\n"


@pytest.mark.parametrize("seconds", [0, 30])
def test_progress_is_now_and_then_a_line_when_not_on_a_terminal(
    seconds: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not sys.stderr.isatty()
    monkeypatch.setattr(console, "LINE_EVERY", seconds)
    with Console().progress("mitigation=none", 2) as progress:
        progress.report(Event("teacher", (0,), 1, 10))
        progress.seeds_done(2)
    line = "mitigation=none: 0/2 seeds done, seed 0 at teacher step 1/10\n"
    assert capsys.readouterr() == ("", "" if seconds else line)


def test_progress_counts_seeds(bar: Progress) -> None:
    progress = JobProgress(bar, "mitigation=none", 5)
    assert bar.tasks[0].description == "mitigation=none"
    assert bar.tasks[0].fields["detail"] == "0/5 seeds"
    for number, done in ((2, 2), (1, 3), (2, 5)):
        progress.seeds_done(number)
        assert bar.tasks[0].completed == done
        assert bar.tasks[0].fields["detail"] == f"{done}/5 seeds"
    assert bar.tasks[0].finished


def test_each_stack_has_a_bar_until_its_student_ends(bar: Progress) -> None:
    progress = JobProgress(bar, "job", 3)
    progress.report(Event("teacher", (0,), 3, 10))
    progress.report(Event("teacher", (1, 2), 4, 10))
    progress.report(Event("teacher", (0,), 10, 10))
    assert [task.description.strip() for task in bar.tasks] == ["job", "seed 0", "seeds 1…2"]
    assert [task.completed for task in bar.tasks] == [0, 10, 4]
    progress.report(Event("student", (0,), 2, 20))
    assert bar.tasks[1].fields["detail"] == "student step 2/20"
    assert (bar.tasks[1].completed, bar.tasks[1].total) == (2, 20)
    progress.report(Event("student", (0,), 20, 20))
    assert [task.description.strip() for task in bar.tasks] == ["job", "seeds 1…2"]
