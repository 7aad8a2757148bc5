"""The demo: one figure, whose place is told, and which is opened where there is a display."""

import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from subliminal.report import at_end

Run = Callable[..., tuple[int, str, str]]


def test_the_demo_ends_with_its_figure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url))
    monkeypatch.setenv("DISPLAY", ":0")
    status, out, err = run("sweep=demo", "seed=0")
    assert status == 0, err
    figure = Path("outputs/demo/report/figures/demo_bars.png")
    assert out.splitlines()[-1] == f"Figure: {figure}"
    assert imread(figure).std() > 0.1
    assert opened == []  # no terminal
    monkeypatch.setattr(at_end, "_has_display", lambda: True)
    status, out, err = run("sweep=demo", "seed=0")
    assert status == 0, err
    assert opened == [(tmp_path / figure).as_uri()]
    assert len([*tmp_path.glob("outputs/demo/*/*/summary.json")]) == 2
