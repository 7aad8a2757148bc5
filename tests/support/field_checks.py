"""Objects that are made in a test, checked as those of a config are."""

from typing import Any, TypeVar

from subliminal.config import build

T = TypeVar("T")


def check(made: T, where: str) -> T:
    cls: type[Any] = type(made)
    build.check(cls, vars(made), where)
    return made
