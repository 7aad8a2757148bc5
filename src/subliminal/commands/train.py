"""The entrypoint: `python -m subliminal.train [-m] [group=option …] [key=value …]`.

Hydra composes a config (see `conf/config.yaml`); `subliminal.sweep.engine` trains its seeds. torch
is imported when a config is composed, not before, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from subliminal import store
from subliminal.api.train import result_writer
from subliminal.config import guard, help, resources, schema, sources, terminal, variables
from subliminal.config.arguments import arranged
from subliminal.config.canonical import composed_values
from subliminal.config.command import STOPPED
from subliminal.errors import Refused, RunsFailed, UserError, of_system, one_line
from subliminal.sweep import cores, plan, planned, signals
from subliminal.trackers.uploader_client import followed

_NO_MULTIRUN = "hydra.sweeper: values to sweep are given, but neither -m nor hydra.mode: MULTIRUN"

_trained: list[Path] = []  # run folders of the jobs of this process


@hydra.main(version_base="1.3", config_path=str(resources.CONF), config_name="config")
def _job(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train the seeds of one composed config; return the metrics of `objective`, for a search."""
    if signals.stop_requested():  # during the job before, which raised another error
        raise KeyboardInterrupt
    # A launcher's process has not been through `main`.
    terminal.settle()
    variables.unset_numeric_variables()
    cores.unbind()
    from subliminal.report.at_end import objectives, show_job
    from subliminal.report.wandb_condition import track_condition
    from subliminal.sweep import agent
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job
    from subliminal.training.job import Job, chain

    with signals.stoppable(), followed():  # inside Hydra, which would print the error of a stop
        hydra_cfg = HydraConfig.get()
        # Results lie below the command's working folder, whatever `hydra.job.chdir` says.
        folder = Path(hydra_cfg.runtime.cwd)
        folder.mkdir(parents=True, exist_ok=True)  # on another machine
        os.chdir(folder)
        console = Console()
        agents_run = agent.take()
        try:
            own = hydra_cfg.sweeper
            if hydra_cfg.mode != RunMode.MULTIRUN and (own.get("params") or own.get("grids")):
                raise UserError(_NO_MULTIRUN)
            values, condition = planned.as_planned(composed_values(cfg), hydra_cfg, console.say)
            job = planned.JOBS.get(tuple(hydra_cfg.overrides.task)) or Job(values, condition)
            for generation in chain(job):
                runs = run_job(generation, console)
                _trained.extend(runs)
                show_job(runs, console)
                track_condition(generation, console)
        except UserError as error:
            if hydra_cfg.mode == RunMode.MULTIRUN:
                raise  # Hydra names the job, and runs the others
            raise Refused(error) from error
        if agents_run:
            agent.log(agents_run, job.experiment.tracker, runs, console)
        return objectives(runs, job.cfg.objective)


def main() -> None:
    """Run the command line; bad input ends with one line and status 2, failed runs with 1."""
    full_error = "HYDRA_FULL_ERROR" in os.environ
    argv = sys.argv[1:]
    write_result = result_writer()
    try:
        with _user_errors():
            _prepare()
            sys.argv[1:] = arranged(argv)
            if told := help.help_on(sys.argv[1:]):
                print(told, end="")
                return
            if help.ALL in sys.argv and "--help" in sys.argv:
                sys.argv.remove(help.ALL)
            with signals.stoppable(), guard.guarded(argv), followed():
                _job()
        write_result(runs=[str(folder.absolute()) for folder in finished_runs()])
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        failures = plan.failures(plan.PLAN)
        write_result(error=str(error), notes=failures)
        if full_error:
            raise
        failed = isinstance(error, RunsFailed)
        for line in failures if failures and failed else [str(error), *failures]:
            terminal.error(line)
        sys.exit(1 if failed else 2)
    except Exception as error:
        write_result(error=f"{type(error).__name__}: {error}", notes=[traceback.format_exc()])
        raise


def finished_runs() -> list[Path]:
    """Return the last command's finished runs, except those of a search's jobs elsewhere."""
    wanted = [run for condition in plan.PLAN for run in condition.runs]
    return [run for run in dict.fromkeys([*wanted, *_trained]) if store.finished(run)]


def _prepare() -> None:
    """Prepare this process: its environment, and what Hydra has to find."""
    _trained.clear()
    plan.PLAN.clear()
    planned.JOBS.clear()
    terminal.settle()
    variables.report_unset(variables.unset_numeric_variables())
    cores.unbind()
    schema.register()
    sources.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises errors, and `main` prints them
    resources.refuse_namesake()


@contextmanager
def _user_errors() -> Iterator[None]:
    """Turn Hydra's errors on bad input, and the system's, into user errors of one line."""
    try:
        yield
    except Refused as refused:
        raise refused.error from refused
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(one_line(error)) from error
    except ValueError as error:  # `-m --cfg job`: Hydra has no exception for it
        if str(error).startswith("Only one of --run"):
            raise UserError(one_line(error)) from error
        raise
    except OSError as error:  # Hydra makes its folder before a job can check `outputs`
        if not (error.filename or isinstance(error, FileNotFoundError)):
            raise
        hint = "" if error.filename is None else "; choose another folder with outputs=…"
        raise UserError(of_system(error) + hint) from error
