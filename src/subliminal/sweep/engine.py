"""A job: the seeds of one condition, spread over stacks and worker processes."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from subliminal import store
from subliminal.config.seeds import parse
from subliminal.errors import RunsFailed
from subliminal.sweep import cores, plan, signals
from subliminal.sweep.console import Console
from subliminal.sweep.workers import side_by_side
from subliminal.training.experiment import Experiment, build_experiment
from subliminal.training.learnable import doubts
from subliminal.training.runner import Job, Outcome

WAIT = 0.5  # seconds between two looks at runs that another process has


def run_job(cfg: DictConfig, condition: str, console: Console) -> list[Path]:
    """Train the seeds of one condition that are not yet finished.

    A seed that another process is training is left to it, and waited for at the end.

    Args:
        cfg: the composed config (see `subliminal.config.schema.Config`).
        condition: readable name of the condition, for its folder and tracker group.
        console: shows progress and lines to the user.

    Returns:
        The run directories, in order of the seed set; those of failed seeds are left out.

    Raises:
        UserError: bad input, before any training starts; or some seeds failed, which are named.
        KeyboardInterrupt: the user stopped the job; finished seeds are kept.
    """
    experiment = build_experiment(cfg)
    seeds = parse(cfg.seed.spec)
    directory, condition = plan.condition_dir(cfg, experiment.device.type, condition)
    todo = _unfinished(directory, seeds, console, force=cfg.force)
    if not todo:
        return [store.run_dir(directory, seed) for seed in seeds]
    job = _prepared(cfg, experiment, directory, condition, seeds, console)
    outcomes: list[Outcome] = []
    told = False
    with signals.termination_is_ctrl_c(), console.progress(condition, len(todo)) as progress:
        while todo:
            free = [s for s in todo if store.state(store.run_dir(directory, s)) != "running"]
            stacks, workers = _stacks(cfg, experiment, free)
            for ended in side_by_side(job, stacks, workers, progress.report):
                own = [outcome for outcome in ended if not outcome.busy]
                outcomes += own
                progress.seeds_done(len(own))
            done = {outcome.seed for outcome in outcomes}
            todo = [seed for seed in todo if seed not in done]
            if todo and not told:
                busy = ", ".join(str(seed) for seed in todo)
                console.say(f"Another process trains seeds {busy}; waiting for it.")
                told = True
            if todo:
                time.sleep(WAIT)
            job = replace(job, force=False)  # what others finished by now is as new as can be
    _tell(outcomes, console)
    return [store.run_dir(directory, seed) for seed in seeds]


def _unfinished(
    directory: Path, seeds: Sequence[int], console: Console, *, force: bool
) -> list[int]:
    """Return the seeds to train; say which are kept, and which are damaged."""
    found = {seed: store.examine(store.run_dir(directory, seed)) for seed in seeds}
    todo = [seed for seed in seeds if force or found[seed] != "finished"]
    for seed in set(seeds) - set(todo):  # left where a kill came between marker and removal
        store.drop_checkpoint(store.run_dir(directory, seed))
    if damaged := [str(seed) for seed in seeds if found[seed] == "damaged"]:
        console.say(
            f"Damaged and trained again: seeds {', '.join(damaged)} "
            f"(their files are not those that their {store.MARKER} names)."
        )
    if len(todo) < len(seeds):
        console.say(
            f"{len(seeds) - len(todo)} of {len(seeds)} seeds are finished already and kept "
            "(force=true trains them again)."
        )
    return todo


def _prepared(
    cfg: DictConfig,
    experiment: Experiment,
    directory: Path,
    condition: str,
    seeds: Sequence[int],
    console: Console,
) -> Job:
    """Record what is asked for, fetch the data, settle the tracker; return the job.

    Where nothing can be learned the user is told, once a job.
    """
    for doubt in doubts(experiment, cfg):
        console.say(f"warning: {doubt}")
    config = plan.resolved(cfg)
    plan.record(config, directory, condition, seeds)
    experiment.fetch()
    if experiment.tracker is not None:
        override, line = experiment.tracker.resolve(directory.parent)
        config["tracker"] = {**config["tracker"], **override}
        if line:
            console.say(line)
    return Job(config, condition, directory, force=cfg.force)


def _stacks(
    cfg: DictConfig, experiment: Experiment, seeds: Sequence[int]
) -> tuple[list[tuple[int, ...]], int]:
    """Return the seeds in stacks, and how many processes train them."""
    size = cfg.engine.seeds_at_once or _stack_size(experiment, len(seeds))
    stacks = [tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    if experiment.device.type != "cpu":
        return stacks, 1
    workers = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
    return stacks, min(workers, len(stacks))


def _stack_size(experiment: Experiment, seeds: int) -> int:
    """Return how many seeds to train side by side.

    On a CPU a stack gains nothing per seed (memory traffic eats it): one seed per process. On a
    GPU the seeds' noise images dominate the memory; all that fit in half of what is free.
    """
    if experiment.device.type == "cpu":
        return 1
    per_seed = 4 * (experiment.inputs.size * experiment.network.pixels)
    per_seed += 4 * 16 * experiment.network.layout.size  # weights, gradients, optimizer
    if experiment.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(experiment.device)
    else:
        free = torch.mps.recommended_max_memory()
    return max(1, min(seeds, int(free / 2 / per_seed)))


def _tell(outcomes: list[Outcome], console: Console) -> None:
    for note in sorted({note for outcome in outcomes for note in outcome.notes}):
        console.say(note)
    failed = {outcome.seed: outcome.failure for outcome in outcomes if outcome.failure}
    if failed:
        reasons = "; ".join(sorted({str(reason) for reason in failed.values()}))
        seeds = ", ".join(str(seed) for seed in sorted(failed))
        raise RunsFailed(f"failed seeds: {seeds} ({reasons}); see failure.txt in their folders")
