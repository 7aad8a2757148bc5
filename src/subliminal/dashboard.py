"""`python -m subliminal.dashboard`: the project's W&B workspace and report, as code.

Logged in, it saves both to W&B and prints their addresses; else it writes their specification.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subliminal import metrics, store, terminal
from subliminal.config import command
from subliminal.config.resources import install_command
from subliminal.errors import UserError
from subliminal.terminal import printable
from subliminal.trackers import aside
from subliminal.trackers.wandb import settled_mode

EXPERIMENT, CONDITION, MITIGATIONS, SEED = "experiment", "condition", "mitigations", "seed"
STEP, TEACHER_EPOCH = "step", "teacher/epoch"  # the axes that the tracker defines
TO_ANSWER, MOST_SECONDS = 10, 60.0  # seconds that W&B may take for one answer, for all
COLUMNS = 3  # of panels in a section
MOST_LINES = 100  # groups in a plot

COLUMN_NAMES = (
    f"config:{EXPERIMENT}.value",
    f"config:{MITIGATIONS}.value",
    f"config:{SEED}.value",
    f"summary:{metrics.final(metrics.TRAIT_ACCURACY)}",
    f"summary:{metrics.best(metrics.TRAIT_ACCURACY)}",
    f"summary:{metrics.final(metrics.DISTILL_LOSS)}",
    f"summary:{metrics.in_epoch(metrics.ALIGNMENT, 1)}",
    "run:state",
    "run:createdAt",
)


@dataclass(frozen=True)
class Lines:
    """A metric over steps or the teacher's epochs: mean and range over a mitigation's seeds."""

    title: str
    metric: str
    axis: str = STEP


@dataclass(frozen=True)
class Bars:
    """A value of the run table by mitigation: mean and range over seeds."""

    title: str
    summary: str


@dataclass(frozen=True)
class Scatter:
    """Two values of the run table against each other, a point per run."""

    title: str
    x: str
    y: str


Panel = Lines | Bars | Scatter

SECTIONS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "Alignment": (
        "Cosine of distillation and trait gradient, mean and range over the seeds of a mitigation.",
        (
            Lines("Alignment of the gradients", metrics.ALIGNMENT),
            Lines("Alignment of the applied update", metrics.UPDATE_ALIGNMENT),
            Lines("The null: shuffled labels", metrics.ALIGNMENT_NULL),
            Bars("Alignment in epoch 1", metrics.in_epoch(metrics.ALIGNMENT, 1)),
        ),
    ),
    "Trait": (
        "What the student learns of the digits, which it never sees.",
        (
            Lines("Trait accuracy", metrics.TRAIT_ACCURACY),
            Lines("Trait loss on the step's digits", metrics.TRAIT_LOSS),
            Bars("Final trait accuracy", metrics.final(metrics.TRAIT_ACCURACY)),
        ),
    ),
    "Frontier": (
        "What a mitigation costs: trait accuracy against distillation loss, lower left is better.",
        (
            Scatter(
                "Trait accuracy against distillation loss",
                metrics.final(metrics.DISTILL_LOSS),
                metrics.final(metrics.TRAIT_ACCURACY),
            ),
            Lines("Distillation loss", metrics.DISTILL_LOSS),
            Bars("Final distillation loss", metrics.final(metrics.DISTILL_LOSS)),
        ),
    ),
    "Ledger": (
        "Change of the trait loss since the start, in nats: actual, predicted, and by cause.",
        (
            Lines("Actual", metrics.total(metrics.LEDGER_ACTUAL)),
            Lines("Predicted, first order", metrics.total(metrics.LEDGER_PREDICTED)),
            Lines("… by the distillation loss", metrics.total(metrics.LEDGER_DISTILL)),
            Lines("… by penalties", metrics.total(metrics.LEDGER_PENALTY)),
            Lines("… by interventions", metrics.total(metrics.LEDGER_INTERVENTION)),
        ),
    ),
    "Displacement and teacher": (
        "Where the student went against where its teacher went, and how good the teacher is.",
        (
            Lines("Cosine of the displacements", metrics.DISPLACEMENT),
            Lines("Ratio of their lengths", metrics.DISPLACEMENT_RATIO),
            Lines("Teacher accuracy", metrics.TEACHER_ACCURACY, TEACHER_EPOCH),
        ),
    ),
}


def main() -> None:
    """Publish workspace and report, or write their specification."""
    terminal.settle()
    parser = argparse.ArgumentParser(prog="python -m subliminal.dashboard", description=__doc__)
    parser.add_argument("--project", default="subliminal", help="W&B project (tracker.project)")
    parser.add_argument("--entity", help="W&B user or team; the login's own when left out")
    parser.add_argument("--experiment", help="show the runs of this experiment alone (name=…)")
    parser.add_argument(
        "--spec", type=Path, metavar="FILE", help="write the specification here, publish nothing"
    )
    arguments = parser.parse_args()
    sys.exit(command.status(lambda: _dashboard(arguments), "Stopped."))


def _dashboard(arguments: argparse.Namespace) -> int:
    if arguments.spec is not None or settled_mode("auto") != "online":
        _write(arguments, arguments.spec or Path("outputs") / "dashboard.json")
        return 0
    place = (arguments.entity, arguments.project, arguments.experiment)
    urls = aside.run_in_subprocess("subliminal.dashboard:publish", *place, seconds=MOST_SECONDS)
    print(*urls, sep="\n")
    return 0


def specification(project: str, experiment: str | None, entity: str) -> dict[str, Any]:
    """Return workspace and report as what W&B stores of them; asks no server.

    Args:
        project: W&B project.
        experiment: show its runs alone; None: all.
        entity: W&B user or team.
    """
    views = {
        "workspace": workspace(entity, project, experiment),
        # A run set that names its project is looked up on the server; publishing names it.
        "report": report(entity, project, experiment, named=False),
    }
    return {
        name: json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))
        for name, view in views.items()
    }


def workspace(entity: str, project: str, experiment: str | None) -> Any:
    """Return the workspace: sections of panels, runs grouped by mitigation."""
    _, ws = _modules()
    return ws.Workspace(
        entity=entity,
        project=project,
        # W&B takes no symbols (of mathematics, money, …) in a workspace's name.
        name="".join(
            "-" if unicodedata.category(sign).startswith("S") else sign
            for sign in printable(experiment or "Subliminal learning")
        ),
        sections=[
            ws.Section(
                name=name,
                panels=_panels(panels),
                is_open=True,
                layout_settings=ws.SectionLayoutSettings(columns=COLUMNS, rows=2),
            )
            for name, (_, panels) in SECTIONS.items()
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=MOST_LINES),
        runset_settings=ws.RunsetSettings(
            filters=_only(experiment),
            groupby=[ws.Config(MITIGATIONS)],
            pinned_columns=list(COLUMN_NAMES),
        ),
    )


def report(entity: str, project: str, experiment: str | None, *, named: bool) -> Any:
    """Return the report: a heading, a sentence and a grid of panels for each section."""
    wr, _ = _modules()
    place = {"entity": entity, "project": project} if named else {}
    blocks: list[Any] = [wr.TableOfContents()]
    for name, (text, panels) in SECTIONS.items():
        runs = wr.Runset(
            **place,
            name="seeds by mitigation",
            filters=_only(experiment),
            groupby=[f"config.{MITIGATIONS}"],
            pinned_columns=list(COLUMN_NAMES),
        )
        blocks += [
            wr.H1(name),
            wr.P(text),
            wr.PanelGrid(runsets=[runs], panels=_panels(panels)),
        ]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Subliminal learning: {experiment or 'all experiments'}",
        description="Alignment and trait accuracy by mitigation; lines are means over seeds.",
        blocks=blocks,
        width="fluid",
    )


def _only(experiment: str | None) -> str:
    """Return W&B's filter of the runs of an experiment, or of all; the name in it is a literal."""
    if not experiment:
        return ""
    # W&B rewrites = and < wherever they stand in the expression, and then reads it as Python.
    literal = "".join(s if s.isascii() and s.isalnum() else f"\\U{ord(s):08x}" for s in experiment)
    return f"Config('{EXPERIMENT}') = '{literal}'"


def _panels(panels: tuple[Panel, ...]) -> list[Any]:
    wr, _ = _modules()
    width, height = 24 // COLUMNS, 8
    return [
        _panel(panel, wr.Layout(x=i % COLUMNS * width, y=i // COLUMNS * height, w=width, h=height))
        for i, panel in enumerate(panels)
    ]


def _panel(panel: Panel, layout: Any) -> Any:
    wr, _ = _modules()
    grouped = {
        "groupby": wr.Config(MITIGATIONS),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
        "max_runs_to_show": MOST_LINES,
        "layout": layout,
    }
    if isinstance(panel, Lines):
        return wr.LinePlot(
            title=panel.title,
            x=panel.axis,
            y=[panel.metric],
            title_x="teacher epoch" if panel.axis == TEACHER_EPOCH else "step",
            **grouped,
        )
    if isinstance(panel, Bars):
        return wr.BarPlot(title=panel.title, metrics=[panel.summary], **grouped)
    return wr.ScatterPlot(
        title=panel.title,
        x=wr.SummaryMetric(panel.x),
        y=wr.SummaryMetric(panel.y),
        log_x=True,
        layout=layout,
    )


def _modules() -> tuple[Any, Any]:
    """Return `wandb_workspaces`' modules of reports and of workspaces."""
    try:
        import wandb_workspaces.reports.v2 as reports
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        mend = install_command("dashboard")
        raise UserError(f"dashboards need wandb-workspaces: {mend}") from error
    return reports, workspaces


def publish(entity: str | None, project: str, experiment: str | None) -> list[str]:
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
    _, ws = _modules()
    view = workspace(owner, project, experiment)
    # W&B knows a workspace by a name in its address, which we choose: then we find it again.
    name = hashlib.sha256(view.name.encode()).hexdigest()[:11]
    view._internal_name = f"nw-{name}-v"
    with contextlib.suppress(ValueError):  # there is none yet
        address = f"{api.settings['base_url']}/{owner}/{project}?nw={name}"
        view._internal_id = ws.Workspace.from_url(address)._internal_id
    page = report(owner, project, experiment, named=True)
    for earlier in api.reports(f"{owner}/{project}"):
        if earlier.display_name == page.title:
            page.id = earlier.id
    return [str(saved.save().url) for saved in (view, page)]


def _write(arguments: argparse.Namespace, path: Path) -> None:
    owner = arguments.entity or "ENTITY"
    spec = specification(arguments.project, arguments.experiment, owner)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(path, json.dumps(spec, indent=2) + "\n")
    print(f"Specification: {path}")
    if arguments.spec is None:
        print("To publish it: wandb login, then the same command again.")


if __name__ == "__main__":
    main()
