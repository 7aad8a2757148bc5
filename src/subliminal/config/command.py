"""Exit status of commands; errors and Ctrl-C end them with one line on standard error."""

import sys
from collections.abc import Callable

from subliminal.config import terminal
from subliminal.config.resources import refuse_namesake
from subliminal.errors import RunsFailed, UserError, of_system

STOPPED = "Stopped. What was finished is kept; the same command resumes."


def status(command: Callable[[], int | None], stopped: str = STOPPED) -> int:
    """Run a command; return its exit status. After Ctrl-C, print the line `stopped`.

    It is that of the command (None: 0), or 1: runs failed, 2: bad input or an error of the system,
    130: Ctrl-C.
    """
    try:
        refuse_namesake()
        return command() or 0
    except UserError as error:
        terminal.error(error)
        return 1 if isinstance(error, RunsFailed) else 2
    except OSError as error:
        terminal.error(of_system(error))
        return 2
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130
