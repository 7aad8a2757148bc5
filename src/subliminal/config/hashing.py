"""Marks in the types of config fields: allowed values, and whether a field is hashed.

With `share: Share`, `lr: Positive[float]` or `how: Annotated[str, OneOf(HOW)]`, a value out of
range is refused in one line when the object is built.

A field is hashed, except where it has a default and holds it: a key that is added later gets a
default that changes nothing, so that older runs keep their hashes. Marks change this for a field,
as in `workers: NotHashed[int]`.
"""

from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval

T = TypeVar("T")


class Mark(Enum):
    """Mark of a field of a config's dataclass."""

    NOT_HASHED = "not part of a hash: it cannot change a number"
    ALWAYS_HASHED = "part of a hash even at its default: the key is older than the rule"
    UNORDERED = "a list whose order means nothing"


NotHashed = Annotated[T, Mark.NOT_HASHED]
AlwaysHashed = Annotated[T, Mark.ALWAYS_HASHED]
Unordered = Annotated[T, Mark.UNORDERED]


class OneOf:
    """The value is one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)


# Where a data set's files lie is not hashed. Listed by name: a plug-in's class has no marks.
PLACES = frozenset(
    f"{node}.{key}" for node in ("data", "distill.inputs") for key in ("root", "download")
)

Positive = Annotated[T, Gt(0)]
NotNegative = Annotated[T, Ge(0)]
Count = Annotated[int, Ge(1)]
Share = Annotated[float, Interval(ge=0, le=1)]


def refusal(value: Any, mark: Any) -> str | None:
    """Return what a mark allows, if it refuses the value, else None; it never refuses null."""
    if value is None:
        return None
    if isinstance(mark, OneOf):
        return None if value in mark.names else f"one of {', '.join(mark.names)}"
    if not isinstance(mark, Gt | Ge | Interval):
        return None
    gt, ge, lt, le = (getattr(mark, name, None) for name in ("gt", "ge", "lt", "le"))
    low, high = gt if ge is None else ge, lt if le is None else le
    below = low is not None and (value < low or value == gt)
    if not below and not (high is not None and (value > high or value == lt)):
        return None
    if ge and high is None and isinstance(value, int):
        return f"at least {low} {'is' if low == 1 else 'are'} needed"
    sign = ">" if ge is None else "≥"
    whole = f"{'(' if ge is None else '['}{low}, {high}{')' if le is None else ']'}"
    return f"a number {f'{sign} {low}' if high is None else f'in {whole}'} is needed"


hints = cache(get_type_hints)  # the type of each field of a dataclass, without marks


@cache
def marks(cls: type[Any]) -> dict[str, set[Any]]:
    """Return the marks of each field of a dataclass."""
    marked = get_type_hints(cls, include_extras=True)
    return {
        name: set(get_args(hint)[1:]) if get_origin(hint) is Annotated else set()
        for name, hint in marked.items()
    }


def not_hashed_keys(cls: type[Any], prefix: str = "") -> frozenset[str]:
    """Return the dotted keys, behind `prefix`, of a schema that are marked as not hashed."""
    marked = marks(cls)  # type: ignore[arg-type]  # a class has a hash
    found = {f"{prefix}{name}" for name, of in marked.items() if Mark.NOT_HASHED in of}
    for name, hint in hints(cls).items():  # type: ignore[arg-type]
        if f"{prefix}{name}" not in found and isinstance(hint, type) and is_dataclass(hint):
            found |= not_hashed_keys(hint, f"{prefix}{name}.")
    return frozenset(found)
