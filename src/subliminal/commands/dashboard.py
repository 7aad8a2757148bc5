"""`python -m subliminal dashboard`: save the project's workspace and report to W&B.

It prints their addresses. With --spec it writes what it would save to a file.
"""

import argparse
import contextlib
import json
from importlib import import_module
from typing import Any

import yaml

from subliminal import store
from subliminal.config import command
from subliminal.config.resources import CONF, install_command, user_path
from subliminal.errors import UserError
from subliminal.trackers import aside
from subliminal.trackers.client import STEP, TEACHER_EPOCH
from subliminal.trackers.wandb import settled_mode

MITIGATIONS = "mitigations"  # key of a run's config
WORKSPACE = "5614d6c27cd"  # a name in its address, by which W&B finds it
TO_ANSWER, MOST_SECONDS = 10, 60.0  # seconds: limits of one answer of W&B, and of all
MOST_LINES = 100  # groups in a plot


def main() -> int:
    """Publish workspace and report, or write them to a file; return the exit status."""
    parser = command.Parser(prog="subliminal dashboard", description=__doc__)
    parser.add_argument("--project", default="subliminal", help="W&B project (tracker.project)")
    parser.add_argument("--entity", help="W&B user or team; default: that of the login")
    what = "write workspace and report here, publish nothing"
    parser.add_argument("--spec", type=user_path, metavar="FILE", help=what)
    arguments = parser.parse_args()
    return command.status(lambda: _dashboard(arguments), "Stopped.")


def _dashboard(arguments: argparse.Namespace) -> None:
    if arguments.spec:
        arguments.spec.parent.mkdir(parents=True, exist_ok=True)
        store.write_text(arguments.spec, json.dumps(specification(), indent=2) + "\n")
        return
    if settled_mode("auto") != "online":
        raise UserError("dashboard: W&B is used offline; `wandb login` stores a key")
    place, given = "subliminal.commands.dashboard:publish", (arguments.entity, arguments.project)
    print(*aside.run_in_subprocess(place, *given, seconds=MOST_SECONDS), sep="\n")


def publish(entity: str | None, project: str) -> list[str]:
    """Save workspace and report to W&B, in place of earlier ones; return their addresses.

    Raises:
        UserError: there is no such project.
    """
    import wandb

    api = wandb.Api(timeout=TO_ANSWER)
    owner = entity or api.default_entity
    if owner is None:
        raise UserError("W&B names no default entity for this login; give one with --entity")
    if project not in {found.name for found in api.projects(owner)}:
        raise UserError(f"W&B has no project {owner}/{project}; train a tracked run first")
    view, page = views(owner, project)
    view._internal_name = f"nw-{WORKSPACE}-v"
    with contextlib.suppress(ValueError):  # there is none yet
        address = f"{api.settings['base_url']}/{owner}/{project}?nw={WORKSPACE}"
        view._internal_id = type(view).from_url(address)._internal_id
    for earlier in api.reports(f"{owner}/{project}"):
        if earlier.display_name == page.title:
            page.id = earlier.id
    return [str(saved.save().url) for saved in (view, page)]


def specification() -> dict[str, Any]:
    """Return workspace and report as W&B stores them: without names it looks up nothing."""
    return {
        name: json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))
        for name, view in zip(("workspace", "report"), views("", ""), strict=True)
    }


def views(entity: str, project: str) -> tuple[Any, Any]:
    """Return the workspace (runs grouped by mitigation) and the report, with the same panels."""
    try:
        wr: Any = import_module("wandb_workspaces.reports.v2")
        ws: Any = import_module("wandb_workspaces.workspaces")
    except ImportError as error:
        mend = install_command("dashboard")
        raise UserError(f"dashboards need wandb-workspaces: {mend}") from error
    sections = _sections(wr)
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name="Subliminal learning",
        sections=[
            ws.Section(name=title, panels=panels, is_open=True)
            for title, (_, panels) in sections.items()
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=MOST_LINES),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config(MITIGATIONS)]),
    )
    blocks: list[Any] = [wr.TableOfContents()]
    for title, (text, panels) in sections.items():
        runs = wr.Runset(
            entity=entity,
            project=project,
            name="seeds by mitigation",
            groupby=[f"config.{MITIGATIONS}"],
        )
        blocks += [wr.H1(title), wr.P(text), wr.PanelGrid(runsets=[runs], panels=panels)]
    report = wr.Report(
        entity=entity,
        project=project,
        title="Subliminal learning",
        description="Alignment and trait accuracy by mitigation; lines are means over seeds.",
        blocks=blocks,
        width="fluid",
    )
    return workspace, report


def _sections(wr: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return sections by title: a sentence, and panels of `wr`, which W&B puts in rows of three."""
    sections = yaml.safe_load((CONF / "dashboard.yaml").read_text(encoding="utf-8"))
    return {
        title: (one["about"], [_panel(wr, *panel) for panel in one["panels"].items()])
        for title, one in sections.items()
    }


def _panel(wr: Any, title: str, drawn: dict[str, Any]) -> Any:
    """Return the panel of one of the file's kinds: lines, bars or scatter."""
    ((kind, metric),) = drawn.items()
    if kind == "scatter":
        x, y = map(wr.SummaryMetric, metric)
        return wr.ScatterPlot(title=title, x=x, y=y, log_x=True)
    by_mitigation = {  # mean and range over a mitigation's seeds
        "groupby": wr.Config(MITIGATIONS),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
        "max_runs_to_show": MOST_LINES,
    }
    if kind == "bars":
        return wr.BarPlot(title=title, metrics=[metric], **by_mitigation)
    x = TEACHER_EPOCH if metric.startswith("teacher/") else STEP
    return wr.LinePlot(title=title, x=x, y=[metric], title_x=x.replace("/", " "), **by_mitigation)
