"""A Hydra callback that checks every job of a sweep before the first one trains."""

import os
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from subliminal import store
from subliminal.errors import Refused, UserError, one_line
from subliminal.store.provenance import environment
from subliminal.sweep import plan, planned
from subliminal.sweep.compose import Composer
from subliminal.sweep.console import Console
from subliminal.sweep.launchers import elsewhere

_Plain = dict[str, Any]


class CheckJobs(Callback):
    """Builds each job of a grid; the first that is wrong ends the sweep with one line.

    If none is, a table tells how far the runs are already, and each condition's folder notes
    the seeds that are asked of it: should the sweep end early, reports name what is missing.

    Other sweepers choose their jobs as they go; there each job is checked as it starts.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Compose and build every job of the grid."""
        from subliminal.config.canonical import canonical
        from subliminal.config.seeds import parse
        from subliminal.training.experiment import build_experiment

        environment()  # of the code that is about to run, whatever is committed meanwhile
        planned.folder(config.hydra)  # its time of day is taken here, once for all jobs
        grid = plan.grid(config)
        os.environ.pop(planned.VARIABLE, None)
        if grid is None:
            os.environ[planned.VARIABLE] = planned.digest(config.hydra)
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        composer = Composer(loader, config)
        # By folder and identity: the condition's place, its config, and how far its runs are.
        asked: dict[tuple[Path, str], tuple[plan.Place, _Plain, dict[int, store.State]]] = {}
        jobs: list[planned.Job] = []
        remote = elsewhere(config.hydra.launcher)
        for job in Console().counted(grid or [], "Jobs checked"):
            try:
                values = canonical(composer.job(job))
                # With "auto": this machine need not have the job's device.
                engine = {**values["engine"], **({"device": "auto"} if remote else {})}
                experiment = build_experiment({**values, "engine": engine})
                device = experiment.device.type
                place = plan.place(values, device, plan.condition_name(job))
                # Jobs of one condition, however they spell it, have one folder.
                condition = (place.directory.parent, place.identity)
                place, _, runs = asked.setdefault(condition, (place, values, {}))
                jobs.append(planned.Job(list(job), place.condition, values))
                seeds = parse(values["seed"]["spec"])
                experiment.check_seeds(seeds)
                for seed in seeds:
                    runs[seed] = store.examine(store.run_dir(place.directory, seed))
            except (UserError, HydraException, OmegaConfBaseException) as error:
                line = f"{one_line(error)} (job: {' '.join(job)})"
                raise Refused(UserError(line)) from error
        plan.PLANNED[:] = [
            plan.Planned(
                place.condition,
                {store.run_dir(place.directory, seed): state for seed, state in runs.items()},
            )
            for place, _, runs in asked.values()
        ]
        if plan.PLANNED:
            plan.show(plan.PLANNED, force=config.force, resume=config.resume)
        # Hydra would compose all jobs once more, for the errors that were looked for here.
        BasicSweeper.validate_batch_is_legal = _nothing  # type: ignore[method-assign, assignment]
        try:
            planned.keep(jobs, config)
            if not remote:  # elsewhere another device may be another hash
                for place, values, runs in asked.values():
                    plan.record(values, place, [*runs])
        except UserError as error:
            raise Refused(error) from error


def _nothing(sweeper: BasicSweeper, jobs: object) -> None:
    pass
