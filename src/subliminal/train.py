"""The entrypoint: `python -m subliminal.train [-m] [group=option …] [key=value …]`.

Hydra composes a config (see `conf/config.yaml`); `subliminal.sweep.engine` trains its seeds.
Nothing here imports torch before a config is composed, so that `--help` answers at once.
"""

import os
import re
import sys
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from subliminal import terminal
from subliminal.config import guard, resources, schema, seeds, sources, variables
from subliminal.config.build import build
from subliminal.errors import RunsFailed, UserError, of_system, one_line
from subliminal.sweep import cores, plan, planned, signals
from subliminal.trackers.following import followed

# Launchers and sweepers of Hydra's plugins, and the extra of this package that installs each.
_EXTRAS = {
    "joblib": "joblib",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
    "ray": "ray",
    "optuna": "optuna",
}
# Keys that a module of the user's gives names to; Hydra takes new ones with a plus.
_OPEN = re.compile(r"(distill\.)?model\.args\.")
_PLUGIN = re.compile(r"Could not (?:find|load) '?hydra/(?:launcher|sweeper)/(\w+)")


@hydra.main(version_base="1.3", config_path=str(resources.CONF), config_name="config")
def _job(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train the seeds of one composed config; return what `objective` names, for a search."""
    terminal.settle()  # a launcher's job has not been through `main`
    variables.set_aside()
    cores.unbind()  # a scheduler may bind what it starts
    from subliminal.sweep.agent import Agent
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job
    from subliminal.sweep.summary import objectives, show

    hydra_cfg = HydraConfig.get()
    # Whatever `hydra.job.chdir` says, results lie below the folder that the command was given in.
    here = Path(hydra_cfg.runtime.cwd)
    here.mkdir(parents=True, exist_ok=True)  # on another machine
    os.chdir(here)
    console = Console()
    agent = Agent.take()
    condition = plan.condition_name(hydra_cfg.overrides.task)
    try:
        if hydra_cfg.mode == RunMode.MULTIRUN:
            cfg, condition = planned.as_planned(cfg, hydra_cfg, condition, console.say)
        runs = run_job(cfg, condition, console)
    except UserError as error:
        if hydra_cfg.mode == RunMode.MULTIRUN:
            raise  # Hydra names the job, and the others run
        sys.exit(_fail(error))
    if agent is not None:
        agent.log(None if cfg.tracker is None else build(cfg.tracker, "tracker"), runs, console)
    show(runs, console)
    return objectives(runs, list(cfg.objective))


def main() -> None:
    """Run the command line; bad input ends with one line and status 2, failed runs with 1."""
    terminal.settle()
    variables.tell(variables.set_aside())
    cores.unbind()
    schema.register()
    sources.register()
    traceback_wanted = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours to shape
    try:
        resources.refuse_namesake()
        sys.argv[1:] = arranged(sys.argv[1:])
        with signals.termination_is_ctrl_c(), guard.guarded(sys.argv[1:]), followed():
            _job()
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept; the same command resumes.", file=sys.stderr)
        sys.exit(130)
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if traceback_wanted:
            raise
        sys.exit(_fail(error))
    except ValueError as error:  # `optim=null`, `-m --cfg job`: Hydra has no exception for these
        known = ("Config group override", "Only one of --run")
        if traceback_wanted or not str(error).startswith(known):
            raise
        sys.exit(_fail(error))
    except OSError as error:  # Hydra makes its folder before the job can look at `outputs`
        if traceback_wanted or not (error.filename or isinstance(error, FileNotFoundError)):
            raise
        hint = "" if error.filename is None else "; choose another folder with outputs=…"
        sys.exit(_fail(UserError(of_system(error) + hint)))


def arranged(argv: list[str]) -> list[str]:
    """Return the command line with its overrides last, the seeds quoted for Hydra, arguments open.

    Hydra takes overrides in one place alone, and answers `seed=0 -m name=x` with its usage.

    Raises:
        UserError: there is no such flag, or it has no such value.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(message)

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(argv)
    flags = [word for word in argv if word not in given.overrides]
    # The names of the seed files, of ours and of the user's.
    folders = {resources.CONF, Path(given.config_dir or resources.CONF)}
    named = {path.stem for folder in folders for path in (folder / "seed").glob("*.yaml")}
    overrides = [f"++{word}" if _OPEN.match(word) else word for word in given.overrides]
    return [*flags, *seeds.quote(overrides, named=named)]


def _fail(error: Exception) -> int:
    """Tell what went wrong, of a whole sweep; return the exit status."""
    message = one_line(error)
    plugin = _PLUGIN.search(message)
    if plugin and plugin[1] in _EXTRAS:
        command = resources.install_command(_EXTRAS[plugin[1]])
        message = f"{message.removesuffix('.')}; {command} adds it"
    failures = plan.failures(plan.PLANNED)
    lines = failures if failures and isinstance(error, RunsFailed) else [message, *failures]
    for line in lines:
        terminal.error(line)
    return 1 if isinstance(error, RunsFailed) else 2


if __name__ == "__main__":
    main()
