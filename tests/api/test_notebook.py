"""The progress of a command in a notebook's cell, by a notebook that is pretended."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from subliminal.api import notebook
from subliminal.state.callbacks.progress import Event


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the one output of the cell has shown, in turn."""
    found: list[str] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool = False) -> Any:
        assert raw
        assert display_id == (not found)
        assert "<pre" in data["text/html"]
        found.append(data["text/plain"])
        return SimpleNamespace(update=display)

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(notebook, "INTERVAL", 0.0)
    return found


def test_a_cell_has_one_output_that_is_drawn_anew(shown: list[str]) -> None:
    hear = notebook.progress()
    assert hear is not None
    for told in ((80 * "-", 2), Event("teacher", (0,), 3, 10), 1, ("next", 3)):
        hear(told)
    assert ["0/2 seeds" in text for text in shown] == [True, True, False, False]
    assert shown[0].startswith(39 * "-" + "… ")
    assert "seed 0" in shown[1]
    assert "teacher step 3/10" in shown[1]
    assert "1/2 seeds" in shown[2]
    assert "next" in shown[3]
    assert "0/3 seeds" in shown[3]


def test_a_display_that_fails_stops_nothing(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = notebook.progress()
    assert hear is not None
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    hear(("title", 2))
    assert shown == []


def test_there_is_none_elsewhere() -> None:
    assert notebook.progress() is None
