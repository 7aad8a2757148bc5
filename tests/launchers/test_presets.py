"""Every launcher file composes to what its plugin takes; sweeps leave the launcher to the user."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import MissingConfigException
from hydra.types import RunMode

from subliminal.config import guard
from subliminal.config.composition import explained
from subliminal.config.resources import CONF, SWEEPS, install_command
from subliminal.errors import UserError
from subliminal.sweep.sweeper import run_sweep

PRESETS = sorted((CONF / "hydra" / "launcher").glob("*.yaml"))
PLUGIN = {"slurm": "hydra_submitit_launcher", "ray": "hydra_ray_launcher"}


@pytest.fixture
def loader(compose: object) -> ConfigLoader:
    """Hydra's loader of the real `conf/`, which unlike `compose` keeps the node `hydra`."""
    return GlobalHydra.instance().config_loader()


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_composes_and_its_launcher_takes_it(path: Path, loader: ConfigLoader) -> None:
    pytest.importorskip(f"hydra_plugins.{PLUGIN[path.stem.partition('_')[0]]}")
    cfg = loader.load_configuration(
        "config", [f"hydra/launcher={path.stem}"], run_mode=RunMode.MULTIRUN
    )
    launcher = Plugins.instance()._instantiate(cfg.hydra.launcher)
    assert type(launcher).__name__ in ("SlurmLauncher", "RayLauncher")


def test_a_gpu_job_has_one_gpu(loader: ConfigLoader) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    cfg = loader.load_configuration(
        "config", ["hydra/launcher=slurm_gpu"], run_mode=RunMode.MULTIRUN
    )
    assert cfg.hydra.launcher.gpus_per_node == 1
    assert cfg.hydra.launcher.additional_parameters.requeue is True


def test_commands_of_a_launcher_are_the_command_lines_alone(loader: ConfigLoader) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.setup=[module load x]"]
    cfg = loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)
    guard.check(cfg, {"hydra.launcher.setup"})
    with pytest.raises(UserError, match=r"setup\[0\]: may be given on the command line alone"):
        guard.check(cfg, set())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_remote_jobs_device_need_not_be_here(loader: ConfigLoader) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    for launcher in ("slurm_gpu", "basic"):
        overrides = [f"hydra/launcher={launcher}", "engine.device=cuda"]
        cfg = loader.load_configuration("config", overrides, run_mode=RunMode.MULTIRUN)
        context: Any = SimpleNamespace(config_loader=loader)
        started: Any = SimpleNamespace(launch=lambda jobs, initial_job_idx: [])
        if launcher == "slurm_gpu":
            run_sweep(cfg, context, started, overrides[1:])
        else:
            with pytest.raises(UserError) as ended:
                run_sweep(cfg, context, started, overrides[1:])
            assert "engine.device=cuda: this machine has none" in str(ended.value)


@pytest.mark.parametrize(
    ("plugin", "extra"),
    [
        ("launcher/joblib", "joblib"),
        ("launcher/submitit_local", "slurm"),
        ("launcher/submitit_slurm", "slurm"),
        ("launcher/ray", "ray"),
        ("sweeper/optuna", "optuna"),
    ],
)
def test_a_missing_plugin_is_named_with_its_extra(plugin: str, extra: str) -> None:
    missing = MissingConfigException("Could not find it", missing_cfg_file=f"hydra/{plugin}")
    loader = Mock(**{"get_group_options.return_value": ["basic"]})
    call = {"overrides": [f"hydra/{plugin.replace('/', '=')}"]}
    line = explained(missing, loader, call)
    assert line == (
        f"{call['overrides'][0]}: no such option; there is basic; {install_command(extra)} adds it"
    )


def test_a_sweep_may_choose_its_sweeper(loader: ConfigLoader) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    for words, chosen in (([], "subliminal"), (["sweep=frontier"], "optuna")):
        cfg = loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)
        assert cfg.hydra.runtime.choices["hydra/sweeper"] == chosen


@pytest.mark.parametrize("path", sorted(SWEEPS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_sweep_never_chooses_the_launcher(path: Path) -> None:
    assert "launcher" not in re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
