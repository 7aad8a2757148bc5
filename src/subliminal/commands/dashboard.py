"""`python -m subliminal dashboard`: save the project's workspace and report to W&B.

It prints their addresses.
"""

import argparse
import contextlib
import hashlib
import unicodedata
from importlib import import_module
from typing import Any

from subliminal import metrics
from subliminal.config import command, terminal
from subliminal.config.resources import install_command
from subliminal.errors import UserError
from subliminal.trackers import aside
from subliminal.trackers.client import STEP, TEACHER_EPOCH
from subliminal.trackers.wandb import settled_mode

EXPERIMENT, MITIGATIONS, SEED = "experiment", "mitigations", "seed"
TO_ANSWER, MOST_SECONDS = 10, 60.0  # seconds: limits of one answer of W&B, and of all
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


def main() -> int:
    """Publish workspace and report; return the exit status."""
    parser = command.Parser(prog="subliminal dashboard", description=__doc__)
    parser.add_argument("--project", default="subliminal", help="W&B project (tracker.project)")
    parser.add_argument("--entity", help="W&B user or team; default: that of the login")
    parser.add_argument("--experiment", help="show only the runs of this experiment (name=…)")
    arguments = parser.parse_args()
    return command.status(lambda: _dashboard(arguments), "Stopped.")


def _dashboard(arguments: argparse.Namespace) -> None:
    if settled_mode("auto") != "online":
        raise UserError("dashboard: W&B is used offline; `wandb login` stores a key")
    given = arguments.entity, arguments.project, arguments.experiment
    place = "subliminal.commands.dashboard:publish"
    print(*aside.run_in_subprocess(place, *given, seconds=MOST_SECONDS), sep="\n")


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
    view, page = views(owner, project, experiment)
    # W&B finds a workspace by a name in its address. This one depends on the title alone.
    name = hashlib.sha256(view.name.encode()).hexdigest()[:11]
    view._internal_name = f"nw-{name}-v"
    with contextlib.suppress(ValueError):  # there is none yet
        address = f"{api.settings['base_url']}/{owner}/{project}?nw={name}"
        view._internal_id = type(view).from_url(address)._internal_id
    for earlier in api.reports(f"{owner}/{project}"):
        if earlier.display_name == page.title:
            page.id = earlier.id
    return [str(saved.save().url) for saved in (view, page)]


def views(entity: str, project: str, experiment: str | None) -> tuple[Any, Any]:
    """Return the workspace (runs grouped by mitigation) and the report, with the same panels."""
    try:
        wr: Any = import_module("wandb_workspaces.reports.v2")
        ws: Any = import_module("wandb_workspaces.workspaces")
    except ImportError as error:
        mend = install_command("dashboard")
        raise UserError(f"dashboards need wandb-workspaces: {mend}") from error
    sections = _sections(wr)
    # W&B takes no symbols (of mathematics, money, …) in a workspace's name.
    name = "".join(
        "-" if unicodedata.category(sign).startswith("S") else sign
        for sign in terminal.printable(experiment or "Subliminal learning")
    )
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name=title, panels=panels, is_open=True)
            for title, (_, panels) in sections.items()
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=MOST_LINES),
        runset_settings=ws.RunsetSettings(
            filters=_filter(experiment),
            groupby=[ws.Config(MITIGATIONS)],
            pinned_columns=list(COLUMN_NAMES),
        ),
    )
    blocks: list[Any] = [wr.TableOfContents()]
    for title, (text, panels) in sections.items():
        runs = wr.Runset(
            entity=entity,
            project=project,
            name="seeds by mitigation",
            filters=_filter(experiment),
            groupby=[f"config.{MITIGATIONS}"],
            pinned_columns=list(COLUMN_NAMES),
        )
        blocks += [wr.H1(title), wr.P(text), wr.PanelGrid(runsets=[runs], panels=panels)]
    report = wr.Report(
        entity=entity,
        project=project,
        title=f"Subliminal learning: {experiment or 'all experiments'}",
        description="Alignment and trait accuracy by mitigation; lines are means over seeds.",
        blocks=blocks,
        width="fluid",
    )
    return workspace, report


def _filter(experiment: str | None) -> str:
    """Return W&B's filter for the runs of an experiment, or of all; the name in it is a literal."""
    if not experiment:
        return ""
    # W&B rewrites = and < wherever they stand in the expression, and then reads it as Python.
    literal = "".join(s if s.isascii() and s.isalnum() else f"\\U{ord(s):08x}" for s in experiment)
    return f"Config('{EXPERIMENT}') = '{literal}'"


def _sections(wr: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return sections by title: a sentence, and panels of `wr`, which W&B puts in rows of three."""
    by_mitigation = {  # mean and range over a mitigation's seeds
        "groupby": wr.Config(MITIGATIONS),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "minmax",
        "max_runs_to_show": MOST_LINES,
    }

    def lines(title: str, metric: str, axis: str = STEP) -> Any:
        x = axis.replace("/", " ")
        return wr.LinePlot(title=title, x=axis, y=[metric], title_x=x, **by_mitigation)

    def bars(title: str, summary: str) -> Any:
        return wr.BarPlot(title=title, metrics=[summary], **by_mitigation)

    loss, accuracy = metrics.final(metrics.DISTILL_LOSS), metrics.final(metrics.TRAIT_ACCURACY)
    return {
        "Alignment": (
            "Cosine of distillation and trait gradient, mean and range over a mitigation's seeds.",
            [
                lines("Alignment of the gradients", metrics.ALIGNMENT),
                lines("Alignment of the applied update", metrics.UPDATE_ALIGNMENT),
                lines("The null: shuffled labels", metrics.ALIGNMENT_NULL),
                bars("Alignment in epoch 1", metrics.in_epoch(metrics.ALIGNMENT, 1)),
            ],
        ),
        "Trait": (
            "What the student learns of the digits, which it never sees.",
            [
                lines("Trait accuracy", metrics.TRAIT_ACCURACY),
                lines("Trait loss on the step's digits", metrics.TRAIT_LOSS),
                bars("Final trait accuracy", accuracy),
            ],
        ),
        "Frontier": (
            "Cost of a mitigation: trait accuracy against distillation loss, lower left is better.",
            [
                wr.ScatterPlot(
                    title="Trait accuracy against distillation loss",
                    x=wr.SummaryMetric(loss),
                    y=wr.SummaryMetric(accuracy),
                    log_x=True,
                ),
                lines("Distillation loss", metrics.DISTILL_LOSS),
                bars("Final distillation loss", loss),
            ],
        ),
        "Ledger": (
            "Change of the trait loss since the start, in nats: actual, predicted, and by cause.",
            [
                lines("Actual", metrics.total(metrics.LEDGER_ACTUAL)),
                lines("Predicted, first order", metrics.total(metrics.LEDGER_PREDICTED)),
                lines("… by the distillation loss", metrics.total(metrics.LEDGER_DISTILL)),
                lines("… by penalties", metrics.total(metrics.LEDGER_PENALTY)),
                lines("… by interventions", metrics.total(metrics.LEDGER_INTERVENTION)),
            ],
        ),
        "Displacement and teacher": (
            "Where the student went against where its teacher went, and how good the teacher is.",
            [
                lines("Cosine of the displacements", metrics.DISPLACEMENT),
                lines("Ratio of their lengths", metrics.DISPLACEMENT_RATIO),
                lines("Teacher accuracy", metrics.TEACHER_ACCURACY, TEACHER_EPOCH),
            ],
        ),
    }
