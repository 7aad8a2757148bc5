"""Where the time goes: the functions that are watched are there."""

from importlib import import_module

import parts
import pytest


@pytest.mark.parametrize("part", parts.CODE)
def test_what_is_watched_is_there(part: str) -> None:
    for module, owner, names in parts.CODE[part]:
        holder = import_module(module)
        holder = holder if owner is None else getattr(holder, owner)
        assert [name for name in names if not callable(getattr(holder, name, None))] == []
