"""Overrides of a sweep's jobs: grids, paired values, several grids.

`optim.lr=0.1,0.2 mitigation=none,liminal` is a grid of four jobs. With `pair=optim.lr,model.aux`
the two keys take their first values together, then their second, and so on. Overrides after
`grid=a` belong to a grid of their own (`a` is any name), those before the first `grid=` to all.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from omegaconf import DictConfig

from subliminal.config.composition import PAIR, TWO_NEEDED
from subliminal.errors import UserError

Words = list[str]
Parse = Callable[[Words], list[Override]]


def words_of(params: Mapping[Any, Any] | DictConfig | None) -> Words:
    """Return a sweep file's parameters as overrides."""
    return [f"{key!s}={value}" for key, value in (params or {}).items()]


def grids_of(given: Iterable[Any] | None) -> list[Words]:
    """Return the grids of `hydra.sweeper.grids`: lists of words, or mappings as `params` is."""
    return [
        words_of(grid) if isinstance(grid, Mapping | DictConfig) else [str(word) for word in grid]
        for grid in given or ()
    ]


def jobs(words: Words, grids: Sequence[Words], parse: Parse) -> list[Words]:
    """Return the overrides of each job; a job of two grids is listed once.

    Args:
        words: overrides of all grids; the last of a key counts.
        grids: further overrides of each grid; none: there is one grid.
        parse: parses overrides, as Hydra's `OverridesParser` does.

    Raises:
        UserError: paired keys have different numbers of values, or have none.
    """
    found = [job for own in grids or [[]] for job in _jobs_of_grid(parse([*words, *own]))]
    return [list(job) for job in dict.fromkeys(map(tuple, found))]


def _jobs_of_grid(overrides: Sequence[Override]) -> list[Words]:
    values: dict[str, Words] = {}
    pairs: list[Words] = []
    for override in overrides:
        key = override.get_key_element()
        if key == PAIR:
            pairs += _paired_keys(override)
        elif not override.is_sweep_override():
            values[key] = [override.get_value_element_as_str()]
        elif override.is_discrete_sweep():
            values[key] = list(override.sweep_string_iterator())
        else:
            raise UserError(
                f"{override.input_line}: a grid needs values, such as {key}=1,2; "
                "hydra/sweeper=optuna searches intervals"
            )
    # An axis for each key, or pair of keys, and on it the values that they take together.
    axes = {key: [{key: value} for value in listed] for key, listed in values.items()}
    for keys in pairs:
        _check_pair(keys, values, axes)
        rows = zip(*(values[key] for key in keys), strict=True)
        axes[keys[0]] = [dict(zip(keys, row, strict=True)) for row in rows]
        for key in keys[1:]:
            del axes[key]
    chosen = [dict(ChainMap(*points)) for points in product(*axes.values())]
    return [[f"{key}={job[key]}" for key in values] for job in chosen]


def _paired_keys(override: Override) -> list[Words]:
    """Return the pairs of one override: `pair=a,b` is one, `pair=[a,b],[c,d]` two."""
    value = override.value()
    items = value.list if isinstance(value, ChoiceSweep) else [value]
    if any(isinstance(item, list) for item in items):
        pairs = [item if isinstance(item, list) else [item] for item in items]
    else:
        pairs = [items]
    return [[i.text if isinstance(i, QuotedString) else str(i) for i in pair] for pair in pairs]


def _check_pair(keys: Words, values: Mapping[str, Words], axes: Mapping[str, object]) -> None:
    name = f"{PAIR}={','.join(keys)}"
    if len(keys) < 2:
        raise UserError(f"{name}: {TWO_NEEDED}")
    for key in keys:
        if key not in values:
            there = ", ".join(k for k, listed in values.items() if len(listed) > 1) or "none"
            raise UserError(f"{name}: {key} has no values in this sweep; keys with values: {there}")
        if key not in axes or keys.count(key) > 1:
            raise UserError(f"{name}: {key} is paired twice; name all its partners in one pair")
    if len({len(values[key]) for key in keys}) > 1:
        counts = ", ".join(f"{key} has {len(values[key])}" for key in keys)
        raise UserError(f"{name}: paired keys need equally many values; {counts}")
