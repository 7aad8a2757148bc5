"""What is said on a terminal: every name and value as text, and no stream stops what runs.

A reader may go away (`| head`), a stream may be closed, full, or unable to hold a sign: what cannot
be written is dropped or spelt otherwise, and the command runs to its end.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# How signs of ours are spelt where the terminal's encoding lacks them; all others are escaped.
_SPELT = {
    **dict(zip("▁▂▃▄▅▆▇█", ".:-=+*#@", strict=True)),
    **{"−": "-", "–": "-", "×": "x", "±": "+-", "…": "...", "⁴": "^4", "≥": ">="},
}
_ERRORS = "subliminal.spelt"


def settle() -> None:
    """Let standard output and error take whatever is written; calling it again is free.

    Streams that a caller put in their place (a notebook, a test) are left alone.
    """
    _fill()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before Python began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _lasting(stream))


def printable(text: object, keep: str = "") -> str:
    """Return text on one line: what would move the cursor, or cannot be seen, is escaped.

    Args:
        text: shown as `str` does.
        keep: signs that stay as they are.
    """
    return "".join(s if s.isprintable() or s in keep else _escaped(s) for s in str(text))


def error(line: object) -> None:
    """Tell on standard error what went wrong, on one line."""
    print(f"error: {printable(line)}", file=sys.stderr)


def console(width: int | None = None, *, stderr: bool = False) -> Console:
    """Return a console of rich that takes all that it is given for text, table cells too.

    Args:
        width: columns, when not on a terminal.
        stderr: of standard error instead of standard output.
    """
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(printable(text.expandtabs(8), keep="\n"), **options)

    stream = sys.stderr if stderr else sys.stdout
    fixed = None if stream.isatty() else width
    return Plain(stderr=stderr, width=fixed, markup=False, emoji=False, highlight=False)


class _Lasting(io.FileIO):
    """A descriptor that takes whatever is written: what it cannot hold any more is dropped."""

    def write(self, content: Any) -> int:
        while True:
            try:
                written = super().write(content)
            except OSError:  # a pipe without a reader, a full disk, a terminal that was closed
                return memoryview(content).nbytes
            if written is not None:
                return written
            select.select([], [self], [])  # it does not block, and is full for now


def _lasting(stream: io.TextIOWrapper) -> TextIO:
    try:
        number = stream.fileno()
        stream.flush()
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(number, "wb", closefd=False)),
        encoding=stream.encoding,
        errors=_ERRORS,
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _fill() -> None:
    """Open the standard descriptors that are closed: else the next file to be opened is one."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    return _SPELT.get(sign, _escaped(sign)), error.start + 1


codecs.register_error(_ERRORS, _spell)
