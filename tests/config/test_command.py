"""How commands end: one line and an exit status, whatever ends them."""

import pytest

from subliminal.config import command
from subliminal.errors import RunsFailed, UserError


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("model=x: no such"), 2, "error: model=x: no such"),
        (RunsFailed("failed seeds: 3"), 1, "error: failed seeds: 3"),
        (FileNotFoundError(2, "No such file", "a/b"), 2, "error: a/b: No such file"),
        # As polars and safetensors say it: without the name of a file.
        (FileNotFoundError("no such file (2):\n a/b"), 2, "error: no such file (2): a/b"),
        (KeyboardInterrupt(), 130, "Stopped; …"),
    ],
)
def test_what_ends_a_command_is_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended() -> int:
        raise error

    assert command.status(ended, "Stopped; …") == status
    assert capsys.readouterr() == ("", f"{line}\n")


def test_its_own_status_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.status(lambda: 3) == 3
    assert capsys.readouterr() == ("", "")


def test_other_errors_are_faults_of_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        command.status(lambda: 1 // 0)
