"""The exception for bad input, and one-line messages for errors of Hydra and the system."""

from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException


class UserError(ValueError):
    """Bad input: its message is one line that says what was wrong and what is allowed.

    The entrypoints print the message alone (no traceback) and exit with status 2.
    """


class RunsFailed(UserError):
    """Some seeds of a job failed; the others are finished."""


class Refused(SystemExit):
    """Carries a user error through Hydra, which wraps exceptions but passes an exit on."""

    def __init__(self, error: UserError) -> None:
        super().__init__(2)
        self.error = error


def of_system(error: OSError) -> str:
    """Return the operating system's error on one line, with the file that it concerns."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    try:
        Path.cwd()
    except FileNotFoundError:
        return "the working folder is gone"
    return " ".join(str(error.strerror or error).split())


def one_line(error: BaseException) -> str:
    """Return the message of any error on one line; OmegaConf's with the key and known keys."""
    if isinstance(error, UserError):
        return str(error)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, OmegaConfBaseException):
        message = (cause.msg or str(cause)).splitlines()[0]
        parent = cause.parent_node
        unknown = isinstance(cause, ConfigAttributeError | ConfigKeyError)
        if unknown and isinstance(parent, DictConfig):
            message += f"; there is {', '.join(str(key) for key in parent)}"
        key = cause.full_key or cause.key
        return f"{key}: {message}" if key else message
    message = str(error).split("Config search path")[0]
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "; ".join(lines).replace(":; ", ": ").removesuffix(";")
