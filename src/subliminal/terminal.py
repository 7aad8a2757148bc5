"""What is printed: tables and lines, with names as they are."""

import sys

from rich.console import Console


def console(width: int | None = None, *, stderr: bool = False) -> Console:
    """Return a console that takes no text for markup: `own=[layer1,layer2]` keeps its brackets.

    Args:
        width: columns where it is not on a terminal.
        stderr: print to standard error instead of standard output.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else width,
        highlight=False,
        markup=False,
        emoji=False,
    )
