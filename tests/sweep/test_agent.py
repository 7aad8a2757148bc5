"""Sweeps of W&B's agents: their files compose, and an agent's run holds a job's means."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from resolved import experiment_of

from subliminal import metrics
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
    """Yield points that have each value of a grid; of a range, its ends and geometric mean."""
    choices = []
    for parameter in parameters.values():
        if "value" in parameter:
            choices.append([parameter["value"]])
        elif "values" in parameter:
            choices.append(parameter["values"])
        else:
            low, high = parameter["min"], parameter["max"]
            choices.append([low, math.sqrt(low * high), high])
    for number in range(max(map(len, choices))):
        values = [choice[number % len(choice)] for choice in choices]
        yield dict(zip(parameters, values, strict=True))


def arguments(content: dict[str, Any], point: dict[str, Any]) -> list[str]:
    """Return what W&B's agent puts after `python -m subliminal.train`, by W&B's own code."""
    from wandb.sdk.launch.sweeps import utils as wandb_sweeps  # which takes a second

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
