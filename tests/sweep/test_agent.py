"""Sweeps of W&B's agents: their files compose, and an agent's run holds a job's means."""

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from resolved import experiment_of
from wandb.sdk.launch.sweeps import utils as wandb_sweeps
from wandb_reader import records

from subliminal import metrics, store
from subliminal.config.resources import SWEEPS
from subliminal.sweep.agent import means

Compose = Callable[[list[str]], DictConfig]
FILES = sorted((SWEEPS / "wandb").glob("*.yaml"))


def sweep(file: Path) -> dict[str, Any]:
    # `${env}` and the like are W&B's, not OmegaConf's: they are not resolved.
    content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def points(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all points of a grid; of a range, its ends and their geometric mean."""
    choices = []
    for parameter in parameters.values():
        if "value" in parameter:
            choices.append([parameter["value"]])
        elif "values" in parameter:
            choices.append(parameter["values"])
        else:
            low, high = parameter["min"], parameter["max"]
            choices.append([low, math.sqrt(low * high), high])
    for values in itertools.product(*choices):
        yield dict(zip(parameters, values, strict=True))


def arguments(content: dict[str, Any], point: dict[str, Any]) -> list[str]:
    """Return what W&B's agent puts after `python -m subliminal.train`, by W&B's own code."""
    command = {"args": {name: {"value": value} for name, value in point.items()}}
    filled = wandb_sweeps.create_sweep_command_args(command)["args_no_hyphens"]
    words = wandb_sweeps.create_sweep_command(content["command"])
    assert words[:4] == ["${env}", "python", "-m", "${program}"]
    assert content["program"] == "subliminal.train"
    assert words[-1] == "${args_no_hyphens}"
    return [*words[4:-1], *filled]


def test_there_are_sweeps_for_agents() -> None:
    assert [file.stem for file in FILES] == ["frontier", "mitigations"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_point_is_a_valid_job(file: Path, compose: Compose) -> None:
    content = sweep(file)
    for point in points(content["parameters"]):
        cfg = compose(arguments(content, point))
        experiment_of(cfg)
        assert cfg.name == f"wandb_{file.stem}"
        for name, value in point.items():
            if name.count(".") == 2:
                assert OmegaConf.select(cfg, name) == value


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_objective_is_what_an_agents_run_logs(file: Path) -> None:
    logged = means([{metrics.TRAIT_ACCURACY: 0.5, metrics.DISTILL_LOSS: 0.1}])
    assert sweep(file)["metric"]["name"] in logged


def test_hydra_does_not_offer_them(compose: Compose) -> None:
    with pytest.raises(HydraException) as refused:
        compose(["sweep=nothing"])
    assert "reference" in str(refused.value)
    assert "wandb" not in str(refused.value).split("Available options")[-1].split("Config")[0]
    with pytest.raises(HydraException):
        compose(["sweep=wandb/frontier"])


def test_means_and_score_by_hand() -> None:
    results = [
        {metrics.TRAIT_ACCURACY: 0.2, metrics.DISTILL_LOSS: 1e-3},
        {metrics.TRAIT_ACCURACY: 0.6, metrics.DISTILL_LOSS: 3e-3},
    ]
    logged = means(results)
    assert logged["final/trait/accuracy"] == pytest.approx(0.4)
    assert logged["final/distill/loss"] == pytest.approx(2e-3)
    assert logged["frontier/score"] == pytest.approx(math.log(0.4) + math.log(2e-3))


def test_seeds_have_runs_of_their_own_and_the_agents_run_their_means(tmp_path: Path) -> None:
    parameters = tmp_path / "config-agentsrun.yaml"
    parameters.write_text("wandb_version: 1\nmitigation:\n  value: none\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "subliminal.train",
            *(word for word in small.OVERRIDES if word != "tracker=none"),
            "tracker.mode=offline",
            "seed=3-4",
            "engine.workers=1",
        ],
        cwd=tmp_path,
        env={
            # Without the address of the service of the runs that other tests made here.
            **{name: value for name, value in os.environ.items() if name[:6] != "WANDB_"},
            "PYTHONPATH": str(Path(__file__).parents[1] / "support"),
            "WANDB_SWEEP_ID": "oursweep",
            "WANDB_RUN_ID": "agentsrun",
            "WANDB_SWEEP_PARAM_PATH": str(parameters),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = {}
    for file in tmp_path.glob("outputs/main/wandb/offline-run-*/*.wandb"):
        found = records(file)
        (run,) = [record["run"] for record in found if record["type"] == "run"]
        read[run["run_id"]] = (run, found)
    summaries = [store.read_summary(run) for run in store.finished_runs(tmp_path / "outputs/main")]
    assert read.keys() == {"agentsrun", *(summary["run_id"] for summary in summaries)}
    for summary in summaries:
        assert not read[summary["run_id"]][0].get("sweep_id")
    run, found = read["agentsrun"]
    assert run["sweep_id"] == "oursweep"
    assert run["job_type"] == "sweep"
    assert "none" in json.dumps(run["config"])
    (row,) = [record["history"]["item"] for record in found if record["type"] == "history"]
    accuracies = [summary["results"][metrics.TRAIT_ACCURACY] for summary in summaries]
    assert row[metrics.final(metrics.TRAIT_ACCURACY)] == pytest.approx(sum(accuracies) / 2)
    assert metrics.FRONTIER_SCORE in row
