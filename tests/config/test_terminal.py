"""Streams that fail cost nothing but words; names and values are shown as text."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table

from subliminal.config import terminal

# What terminals' libraries take for their own, and what terminals do.
HOSTILE = "[red]a[/red] [layer1] :warning: \\[b] ]] {x} \x1b[31m \r\b \u202e …±⁴▁█ 日本 é"
MARKUP = st.text("[]/:\\{}a \x1b\n", max_size=30)
ANY = st.text(st.characters(), max_size=30) | MARKUP
COUNTS = "print('x' * 9, flush=True) or sys.stdout.write('y' * 99_999)"


def speak(code: str, tmp_path: Path, shell: str = '"$@"', **extra: str) -> tuple[int, str, str]:
    """Run Python code after `settle` in a shell's redirections; return status and what it said."""
    settle = "import sys; from subliminal.config import terminal; terminal.settle()"
    whole = f"{settle}; {code}; open('end', 'w')"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell, "bash", sys.executable, "-c", whole],
        cwd=tmp_path,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert (tmp_path / "end").exists(), done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "shell",
    ['"$@" | head -c 1', '"$@" >&-', '"$@" >/dev/full', '"$@" 2>&-', '"$@" >&- 2>&-', '"$@" <&-'],
)
def test_a_stream_that_fails_is_no_failure(shell: str, tmp_path: Path) -> None:
    loud = f"{COUNTS}; print('e' * 9, file=sys.stderr); sys.stdout.isatty()"
    status, _, err = speak(loud, tmp_path, shell)
    assert (status, err.replace("e" * 9, "").strip()) == (0, "")


def test_a_closed_stream_is_no_file_of_ours(tmp_path: Path) -> None:
    # Else the file that is opened next is the standard output of every child process.
    speak("f = open('data', 'w'); import os; os.system('echo loud')", tmp_path, '"$@" >&- 2>&-')
    assert (tmp_path / "data").read_text() == ""


def test_a_reader_that_is_slow_loses_nothing(tmp_path: Path) -> None:
    # The other end of a terminal's pipe may have made it non-blocking.
    nonblocking = "import os; os.set_blocking(1, False); sys.stdout.write('z' * 300_000)"
    _, out, _ = speak(nonblocking, tmp_path, '"$@" | (sleep 0.5; cat)')
    assert len(out) == 300_000


@pytest.mark.parametrize("encoding", ["ascii", "latin-1:strict", "cp1252"])
def test_signs_that_a_terminal_lacks_are_escaped(encoding: str, tmp_path: Path) -> None:
    status, out, _ = speak(r"print('± … 日')", tmp_path, PYTHONIOENCODING=encoding)
    assert status == 0
    assert out.endswith("\\u65e5\n")


def test_streams_that_a_caller_put_there_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, mine := io.StringIO())
        terminal.settle()
        assert getattr(sys, name) is mine


def shown(draw: Callable[[Table], object]) -> str:
    """Return the text of the only cell of a table on a console of ours."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        console = terminal.console(width=1000)
        draw(table := Table(show_header=False))
        console.print(table)
    lines = [line for line in out.getvalue().split("\n") if line.startswith("│ ")]
    return "\n".join(line[2:-2] for line in lines)


@given(st.text(st.characters(exclude_categories=["M"]), max_size=30) | MARKUP)
@example("\t0")
def test_a_cell_shows_what_it_was_given(text: str) -> None:
    cell = shown(lambda table: table.add_row(text))
    escaped = "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text.expandtabs(8)
    )
    seen, wanted = ([line.split() for line in of.split("\n")] for of in (cell, escaped))
    assert [line for line in seen if line] == [line for line in wanted if line]


def test_a_line_shows_what_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.console(stderr=True).print(HOSTILE, soft_wrap=True)
    terminal.error(HOSTILE + "\nnext")
    plain, error = capsys.readouterr().err.splitlines()
    assert plain.startswith(r"[red]a[/red] [layer1] :warning: \[b] ]] {x} \x1b[31m \r\x08 \u202e")
    assert error == f"error: {terminal.printable(HOSTILE)}\\nnext"
    assert error.isprintable()


@given(ANY)
def test_a_printable_line_is_one_line(text: str) -> None:
    line = terminal.printable(text)
    assert len(line.splitlines()) <= 1
    line.encode()
    if text.isprintable():
        assert line == text
