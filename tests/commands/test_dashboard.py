"""The dashboard's specification: it names nothing that a run does not log."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked_run import Tracked
from wandb_reader import records

from subliminal.commands import dashboard
from subliminal.config.resources import ROOT, install_command


def strings(node: Any) -> Iterator[str]:
    """Yield every string in a tree of JSON, keys included."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def panels(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the configs of all panels."""
    if isinstance(node, dict):
        if "viewType" in node and "config" in node and node["viewType"] not in ("UNKNOWN",):
            yield node["config"]
        for value in node.values():
            yield from panels(value)
    elif isinstance(node, list):
        for value in node:
            yield from panels(value)


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


def test_every_metric_of_a_panel_is_logged(tracked: Tracked) -> None:
    spec = dashboard.specification("subliminal", None, "someone")
    for view in ("workspace", "report"):
        named = metrics_named(spec[view])
        assert len(named) > 18, view
        assert named - logged_by(tracked) == set(), view


def test_every_column_of_the_run_table_is_sent(tracked: Tracked) -> None:
    (run,) = [record["run"] for record in records(tracked.files[3]) if record["type"] == "run"]
    for column in dashboard.COLUMN_NAMES:
        kind, _, name = column.partition(":")
        if kind == "config":
            assert name.removesuffix(".value") in run["config"]["update"]
        elif kind == "summary":
            assert name in logged_by(tracked)
        else:
            assert name in ("state", "createdAt")


def test_runs_are_grouped_by_a_key_that_is_sent(tracked: Tracked) -> None:
    (run,) = [record["run"] for record in records(tracked.files[3]) if record["type"] == "run"]
    spec = dashboard.specification("subliminal", None, "someone")
    groups = {panel["groupBy"] for panel in panels(spec) if "groupBy" in panel}
    assert groups == {"mitigations.value"}
    assert run["config"]["update"]["mitigations"] == "liminal"
    assert all(panel["groupArea"] == "minmax" for panel in panels(spec) if "groupBy" in panel)


def test_one_experiment_can_be_shown_alone() -> None:
    for experiment, count in ((None, 0), ("paper_sgd", 1)):
        spec = dashboard.specification("p", experiment, "someone")
        for view in ("workspace", "report"):
            filters = [text for text in strings(spec[view]) if text == "paper_sgd"]
            assert (len(filters) >= count) if count else not filters


def command(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "subliminal", "dashboard", *words],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NETRC": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_login_the_specification_is_written(tmp_path: Path) -> None:
    done = command(tmp_path, "--project", "mine")
    assert done.returncode == 0, done.stderr
    assert "wandb login" in done.stdout
    spec = json.loads((tmp_path / "outputs" / "dashboard.json").read_text())
    assert spec.keys() == {"workspace", "report"}
    assert spec["workspace"]["project"] == "mine"


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    monkeypatch.setattr(sys, "argv", ["dashboard"])
    with pytest.raises(SystemExit) as stopped:
        dashboard.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert install_command("dashboard") in error
    assert error.count("\n") == 1


def test_metrics_are_named_by_their_module_alone() -> None:
    source = (ROOT / "src" / "subliminal" / "dashboard.py").read_text(encoding="utf-8")
    for name in ("alignment/", "trait/", "ledger/", "distill/", "update/", "displacement/"):
        assert f'"{name}' not in source


@settings(max_examples=20)
@given(st.text("a'\"\\=<>!$\n é日{}()[]", min_size=1, max_size=9))
def test_an_experiments_name_is_a_value_in_its_filter(name: str) -> None:
    spec = dashboard.specification("project", name, "entity")
    key = {"section": "config", "name": "experiment"}
    values = [node["value"] for node in nodes(spec) if node.get("key") == key]
    assert len(values) > 1
    assert set(values) == {name}


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings within a specification."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from nodes(inner)
