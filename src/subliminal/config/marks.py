"""What a field's type cannot say about its part in a condition's identity.

A field is part of the identity, but where it has a default and holds it: a key that is added later
gets a default that means "as before", and older runs keep their names. All else is marked by its
type, as in `workers: Aside[int]`.
"""

from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Mark(Enum):
    """Of a field of a config's dataclass."""

    ASIDE = "cannot change a number: no part of the identity"
    ALWAYS = "part of the identity by its default too: a key older than the rule"
    UNORDERED = "a list whose order means nothing"


Aside = Annotated[T, Mark.ASIDE]
Always = Annotated[T, Mark.ALWAYS]
Unordered = Annotated[T, Mark.UNORDERED]


@cache
def hints(cls: type[Any]) -> dict[str, Any]:
    """Return the type of each field of a dataclass, without marks."""
    return get_type_hints(cls)


@cache
def marks(cls: type[Any]) -> dict[str, set[Any]]:
    """Return the marks of each field of a dataclass."""
    marked = get_type_hints(cls, include_extras=True)
    return {
        name: set(get_args(hint)[1:]) if get_origin(hint) is Annotated else set()
        for name, hint in marked.items()
    }
