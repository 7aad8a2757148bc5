"""The entrypoint: `python -m subliminal.train [-m] [group=option …] [key=value …]`.

Hydra composes a config (see `conf/config.yaml`); `subliminal.sweep.engine` trains its seeds.
Nothing here imports torch before a config is composed, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from subliminal import store
from subliminal.api.train import result_writer
from subliminal.config import (
    command,
    guard,
    options,
    resources,
    schema,
    sources,
    terminal,
    variables,
)
from subliminal.config.arguments import arranged
from subliminal.config.canonical import composed_values
from subliminal.errors import Refused, RunsFailed, UserError, of_system, one_line
from subliminal.sweep import cores, plan, planned, signals
from subliminal.trackers.uploader_client import followed

# Launchers and sweepers of Hydra's plugins, and the extra of this package that installs each.
_EXTRAS = {
    "joblib": "joblib",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
    "ray": "ray",
    "optuna": "optuna",
}
_PLUGIN = re.compile(r"Could not (?:find|load) '?hydra/(?:launcher|sweeper)/(\w+)")

_ran: list[Path] = []  # the run folders of the jobs of this process


@hydra.main(version_base="1.3", config_path=str(resources.CONF), config_name="config")
def _job(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train the seeds of one composed config; return what `objective` names, for a search."""
    if signals.stop_requested():  # in the job before, which made another error of it
        raise KeyboardInterrupt
    terminal.settle()  # a launcher's job has not been through `run`
    variables.unset_numeric_variables()
    cores.unbind()  # a scheduler may bind what it starts
    from subliminal.report.at_end import objectives, show_job
    from subliminal.sweep.agent import Agent
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job
    from subliminal.training.job import Job

    with signals.stoppable():  # else Hydra would print an error that a stop made, before us
        hydra_cfg = HydraConfig.get()
        # Whatever `hydra.job.chdir` says, results lie below the folder the command was given in.
        here = Path(hydra_cfg.runtime.cwd)
        here.mkdir(parents=True, exist_ok=True)  # on another machine
        os.chdir(here)
        console = Console()
        agent = Agent.take()
        try:
            values, condition = planned.as_planned(composed_values(cfg), hydra_cfg, console.say)
            job = planned.JOBS.get(tuple(hydra_cfg.overrides.task)) or Job(values, condition)
            runs = run_job(job, console)
        except UserError as error:
            if hydra_cfg.mode == RunMode.MULTIRUN:
                raise  # Hydra names the job, and the others run
            raise Refused(error) from error
        _ran.extend(runs)
        if agent is not None:
            agent.log(job.experiment.tracker, runs, console)
        show_job(runs, console)
        return objectives(runs, job.cfg.objective)


def main() -> None:
    """Run the command line; bad input ends with one line and status 2, failed runs with 1."""
    traceback_wanted = "HYDRA_FULL_ERROR" in os.environ
    write_result = result_writer()
    try:
        runs = run(sys.argv[1:])
        write_result(runs=[str(folder.absolute()) for folder in runs])
    except KeyboardInterrupt:
        print(command.STOPPED, file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        failures = plan.failures(plan.PLAN)
        write_result(error=str(error), notes=failures)
        if traceback_wanted:
            raise
        failed = isinstance(error, RunsFailed)
        for line in failures if failures and failed else [str(error), *failures]:
            terminal.error(line)
        sys.exit(1 if failed else 2)
    except Exception as error:
        write_result(error=f"{type(error).__name__}: {error}", notes=[traceback.format_exc()])
        raise


def run(argv: list[str]) -> list[Path]:
    """Train what a command line asks for; return the folders of its finished runs.

    Those of a search's jobs that a launcher ran in other processes are not known here.

    Args:
        argv: flags and overrides.

    Raises:
        UserError: bad input, on one line; `RunsFailed`: some seeds of it failed.
        KeyboardInterrupt: the user stopped it; what is finished is kept.
    """
    _ran.clear()
    plan.PLAN.clear()
    planned.JOBS.clear()
    terminal.settle()
    variables.tell(variables.unset_numeric_variables())
    cores.unbind()
    schema.register()
    sources.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours to shape
    try:
        resources.refuse_namesake()
        sys.argv[1:] = arranged(argv)
        if told := options.asked_for(sys.argv[1:]):
            print("\n".join(option.markdown() for option in told), end="")
            return []
        with signals.stoppable(), guard.guarded(argv), followed():
            _job()
    except Refused as refused:
        raise refused.error from refused
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_line(error)) from error
    except ValueError as error:  # `optim=null`, `-m --cfg job`: Hydra has no exception for these
        if not isinstance(error, UserError) and str(error).startswith(
            ("Config group override", "Only one of --run")
        ):
            raise UserError(_line(error)) from error
        raise
    except OSError as error:  # Hydra makes its folder before the job can look at `outputs`
        if not (error.filename or isinstance(error, FileNotFoundError)):
            raise
        hint = "" if error.filename is None else "; choose another folder with outputs=…"
        raise UserError(of_system(error) + hint) from error
    asked = [run for condition in plan.PLAN for run in condition.runs]
    return [run for run in dict.fromkeys([*asked, *_ran]) if store.finished(run)]


def _line(error: Exception) -> str:
    """Return what went wrong on one line; of a plugin that is not there, what adds it."""
    message = one_line(error)
    plugin = _PLUGIN.search(message)
    if plugin and plugin[1] in _EXTRAS:
        mend = resources.install_command(_EXTRAS[plugin[1]])
        return f"{message.removesuffix('.')}; {mend} adds it"
    return message
