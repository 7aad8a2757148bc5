"""Exit status of commands; errors and Ctrl-C end them with one line on standard error."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from subliminal.config import terminal
from subliminal.config.resources import refuse_namesake
from subliminal.errors import RunsFailed, UserError, of_system, there_is

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


class Parser(argparse.ArgumentParser):
    """A parser that ends a wrong command line with one line and status 2."""

    def error(self, message: str) -> NoReturn:
        terminal.error(f"{wrong_arguments(self, message)}; {' '.join(self.format_usage().split())}")
        sys.exit(2)


def wrong_arguments(parser: argparse.ArgumentParser, message: str) -> str:
    """Return argparse's message; of an unknown name with those that the parser knows."""
    fault, _, choices = message.partition(" (choose from ")
    unknown = re.search(r"(?:arguments: |choice: ')([^\s']+)", fault)
    names = [name for action in parser._actions for name in action.option_strings]
    known = re.findall("[a-z-]+", choices) or names
    return f"{fault}; {there_is(unknown[1], known)}" if unknown else message
