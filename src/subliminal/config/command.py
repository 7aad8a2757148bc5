"""Exit status of commands; errors and Ctrl-C end them with one line on standard error."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from subliminal.config import terminal
from subliminal.config.resources import refuse_namesake
from subliminal.errors import RunsFailed, UserError, of_system, there_is

STOPPED = "Stopped. What was finished is kept; the same command resumes."


def status(command: Callable[[], int], stopped: str = STOPPED) -> int:
    """Run a command; return its exit status. After Ctrl-C, print the line `stopped`.

    It is the command's own, or 1: runs failed, 2: bad input or an error of the system, 130: Ctrl-C.
    """
    try:
        refuse_namesake()
        return command()
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
        """Print what is wrong, and what is allowed."""
        usage = " ".join(self.format_usage().split())
        terminal.error(f"{wrong_arguments(self, message)}; {usage}")
        sys.exit(2)


def wrong_arguments(parser: argparse.ArgumentParser, message: str) -> str:
    """Return argparse's message; of an unknown name with those that the parser knows."""
    fault, _, choices = message.partition(" (choose from ")
    found = re.search(r"(?:unrecognized arguments: |invalid choice: ')([^\s']+)", fault)
    if found and choices:
        return f"{fault}; {there_is(found[1], re.findall('[a-z-]+', choices))}"
    if found and found[1].startswith("-"):
        return f"{found[1]}: no such option; {there_is(found[1], _option_names(parser))}"
    return f"{found[1]}: one too many" if found else message


def _option_names(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action.choices, dict):  # commands of a command
            for below in action.choices.values():
                yield from _option_names(below)
