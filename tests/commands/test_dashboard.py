"""The dashboard's specification: it names nothing that a run does not log."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tracked_run import Tracked
from wandb_reader import records

from subliminal.commands import dashboard
from subliminal.config.resources import install_command
from subliminal.errors import UserError


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings within a specification."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from nodes(inner)


def panels(spec: Any) -> list[dict[str, Any]]:
    """Return the configs of all panels."""
    found = [node for node in nodes(spec) if "viewType" in node and "config" in node]
    return [node["config"] for node in found if node["viewType"] != "UNKNOWN"]


def metrics_named(spec: dict[str, Any]) -> set[str]:
    """Return what the panels plot, without W&B's prefix of the run table's values."""
    named: set[str] = set()
    for panel in panels(spec):
        axes = [panel.get(key) for key in ("xAxis", "yAxis", "zAxis")]
        named |= {str(axis) for axis in axes if axis} | set(panel.get("metrics", []))
    return {name.removeprefix("summary:") for name in named}


def logged_by(tracked: Tracked) -> set[str]:
    """Return the names of all that a run logs, history and run table."""
    names: set[str] = set()
    for record in records(tracked.files[3]):
        if record["type"] == "history":
            names |= record["history"]["item"].keys()
        if record["type"] == "summary":
            names |= record["summary"]["update"].keys()
    return names


def test_panels_and_groups_name_what_a_run_sends(tracked: Tracked) -> None:
    (run,) = [record["run"] for record in records(tracked.files[3]) if record["type"] == "run"]
    spec = dashboard.specification()
    logged = logged_by(tracked)
    for view in ("workspace", "report"):
        named = metrics_named(spec[view])
        assert len(named) > 18, view
        assert named - logged == set(), view
    groups = {panel["groupBy"] for panel in panels(spec) if "groupBy" in panel}
    assert groups == {"mitigations.value"}
    assert run["config"]["update"]["mitigations"] == "liminal"
    assert all(panel["groupArea"] == "minmax" for panel in panels(spec) if "groupBy" in panel)


def test_without_a_login_or_the_extra_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dashboard"])
    monkeypatch.setattr(dashboard, "settled_mode", lambda mode: "offline")
    assert dashboard.main() == 2
    assert capsys.readouterr().err.endswith("`wandb login` stores a key\n")
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(UserError, match=re.escape(install_command("dashboard"))):
        dashboard.views("someone", "")
