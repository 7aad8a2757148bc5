"""The entrypoint: `python -m subliminal.train [-m] [group=option …] [key=value …]`.

Hydra composes a config (see `conf/config.yaml`); `subliminal.sweep.engine` trains its seeds.
Nothing here imports torch before a config is composed, so that `--help` answers at once.

From Python the module is called: `import subliminal as sl; sl.train("seed=0-4")`, see `train`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from subliminal import store, terminal
from subliminal.config import command, guard, options, resources, schema, seeds, sources, variables
from subliminal.config.build import build
from subliminal.errors import Refused, RunsFailed, UserError, of_system, one_line
from subliminal.sweep import cores, plan, planned, signals
from subliminal.trackers.uploader_client import followed

if TYPE_CHECKING:
    from subliminal.api.runs import Runs
    from subliminal.sweep.console import Told

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

_ran: list[Path] = []  # the run folders of the jobs of this process
_tell: Callable[[Told], None] | None = None  # shows their progress in another process


@hydra.main(version_base="1.3", config_path=str(resources.CONF), config_name="config")
def _job(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train the seeds of one composed config; return what `objective` names, for a search."""
    if signals.stop_requested():  # in the job before, which made another error of it
        raise KeyboardInterrupt
    terminal.settle()  # a launcher's job has not been through `run`
    variables.unset_numeric_variables()
    cores.unbind()  # a scheduler may bind what it starts
    from subliminal.sweep.agent import Agent
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job
    from subliminal.sweep.summary import objectives, show

    with signals.stoppable():  # else Hydra would print an error that a stop made, before us
        hydra_cfg = HydraConfig.get()
        # Whatever `hydra.job.chdir` says, results lie below the folder the command was given in.
        here = Path(hydra_cfg.runtime.cwd)
        here.mkdir(parents=True, exist_ok=True)  # on another machine
        os.chdir(here)
        console = Console(_tell)
        agent = Agent.take()
        condition = plan.condition_name(hydra_cfg.overrides.task)
        try:
            if hydra_cfg.mode == RunMode.MULTIRUN:
                cfg, condition = planned.as_planned(cfg, hydra_cfg, condition, console.say)
            runs = run_job(cfg, condition, console)
        except UserError as error:
            if hydra_cfg.mode == RunMode.MULTIRUN:
                raise  # Hydra names the job, and the others run
            raise Refused(error) from error
        _ran.extend(runs)
        if agent is not None:
            agent.log(None if cfg.tracker is None else build(cfg.tracker, "tracker"), runs, console)
        show(runs, console)
        return objectives(runs, list(cfg.objective))


def main() -> None:
    """Run the command line; bad input ends with one line and status 2, failed runs with 1."""
    traceback_wanted = "HYDRA_FULL_ERROR" in os.environ
    try:
        run(sys.argv[1:])
    except KeyboardInterrupt:
        print(command.STOPPED, file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        if traceback_wanted:
            raise
        failures = plan.failures(plan.PLANNED)
        failed = isinstance(error, RunsFailed)
        for line in failures if failures and failed else [str(error), *failures]:
            terminal.error(line)
        sys.exit(1 if failed else 2)


def run(argv: list[str], tell: Callable[[Told], None] | None = None) -> list[Path]:
    """Train what a command line asks for; return the folders of its finished runs.

    Those of a search's jobs that a launcher ran in other processes are not known here.

    Args:
        argv: flags and overrides.
        tell: called with the progress, beside what the terminal shows.

    Raises:
        UserError: bad input, on one line; `RunsFailed`: some seeds of it failed.
        KeyboardInterrupt: the user stopped it; what is finished is kept.
    """
    global _tell
    _tell = tell
    _ran.clear()
    plan.PLANNED.clear()
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
        with signals.stoppable(), guard.guarded(sys.argv[1:]), followed():
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
    asked = [run for condition in plan.PLANNED for run in condition.runs]
    return [run for run in dict.fromkeys([*asked, *_ran]) if store.finished(run)]


def train(
    *overrides: str,
    outputs: str | Path | None = None,
    config_dir: str | Path | None = None,
    quiet: bool = False,
) -> Runs:
    """Train what the overrides of a command line ask for, and return its finished runs.

    `sl.train("seed=0-4", "mitigation=none,liminal")` is `python -m subliminal.train -m seed=0-4
    mitigation=none,liminal`: the same checks, folders and bits, in a process of its own. What is
    finished already is kept, and what was interrupted is resumed.

    Args:
        overrides: as on the command line; commas make jobs.
        outputs: folder of the experiments; None: as `outputs=…` says, by default `outputs`.
        config_dir: a folder of configs of one's own, as `--config-dir` names it.
        quiet: show neither plan nor progress.

    Returns:
        The runs, in the order of the report. (Those of a search whose launcher ran its jobs in
        other processes are to be had by `sl.load`.)

    Raises:
        UserError: bad input, on one line, before any training.
        RunsFailed: some seeds failed; the others are finished, and `sl.load` returns them.
        KeyboardInterrupt: it was stopped; what is finished is kept.
    """
    from subliminal.api.apart import in_own_process
    from subliminal.api.runs import Runs

    flags = [word for word in overrides if word.startswith("-")]
    if flags:
        raise UserError(f"train: {flags[0]}: overrides are needed, such as seed=0-4; no flags")
    words = ["-m", *overrides]
    if config_dir is not None:
        words = ["--config-dir", str(config_dir), *words]
    if outputs is not None:
        words.append(f"outputs={_quoted(str(outputs))}")
    return Runs.of(in_own_process(run, words, quiet=quiet))


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


def _quoted(text: str) -> str:
    """Return a text as Hydra's grammar quotes it, whatever is in it."""
    # Backslashes count only before a quotation mark, as which the end is one.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text) + "'"


def _line(error: Exception) -> str:
    """Return what went wrong on one line; of a plugin that is not there, what adds it."""
    message = one_line(error)
    plugin = _PLUGIN.search(message)
    if plugin and plugin[1] in _EXTRAS:
        mend = resources.install_command(_EXTRAS[plugin[1]])
        return f"{message.removesuffix('.')}; {mend} adds it"
    return message


class _Called(ModuleType):
    """The class of this module, which is a function too: `subliminal.train(…)`."""

    __call__ = staticmethod(train)


sys.modules[__name__].__class__ = _Called

if __name__ == "__main__":
    main()
