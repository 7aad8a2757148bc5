"""Output on a terminal: any name or value is shown as text, and no failing stream ends a command.

The reader of a pipe may exit (`| head`); a stream may be closed or full, or its encoding may lack a
character. What cannot be written is dropped or escaped, and the command runs to its end.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, Any, TextIO

from subliminal.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def settle() -> None:
    """Make standard output and error accept anything that is written; idempotent.

    Streams that a caller has replaced (a notebook, a test) stay as they are.
    """
    _open_closed_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before Python started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _tolerant(stream))


def printable(text: object, keep: str = "") -> str:
    """Return text on one line: invisible and control characters, except `keep`, are escaped."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode("ascii")
        for c in str(text)
    )


def error(line: object) -> None:
    """Print an error on standard error, on one line."""
    print(f"error: {printable(line)}", file=sys.stderr)


def confirmed(question: str, *, yes: bool) -> bool:
    """Return whether the user answers yes, or gave it with --yes.

    Raises:
        UserError: nobody can answer.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError(f"{question} No terminal can answer; give --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def console(width: int | None = None, *, stderr: bool = False) -> Console:
    """Return a rich console that interprets no markup, in table cells neither.

    It has `width` columns where its stream, standard output or error, is no terminal.
    """
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(printable(text.expandtabs(8), keep="\n"), **options)

    stream = sys.stderr if stderr else sys.stdout
    fixed = None if stream.isatty() else width
    return Plain(stderr=stderr, width=fixed, markup=False, emoji=False, highlight=False)


class _TolerantFile(io.FileIO):
    """A descriptor that drops what cannot be written."""

    def write(self, content: Any) -> int:
        while True:
            try:
                written = super().write(content)
            except OSError:  # a pipe without a reader, a full disk, a closed terminal
                return memoryview(content).nbytes
            if written is not None:
                return written
            select.select([], [self], [])  # non-blocking, and full at the moment


def _tolerant(stream: io.TextIOWrapper) -> TextIO:
    try:
        number = stream.fileno()
        stream.flush()
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_TolerantFile(number, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _open_closed_descriptors() -> None:
    """Open the null device for closed standard descriptors, which the next file would get."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
