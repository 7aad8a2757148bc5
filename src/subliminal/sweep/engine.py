"""A job: the seeds of one condition, spread over stacks and worker processes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from subliminal import store
from subliminal.callbacks.progress import Event
from subliminal.config.seeds import parse
from subliminal.errors import RunsFailed
from subliminal.sweep import cores, plan, signals
from subliminal.sweep.console import Console, JobProgress
from subliminal.sweep.workers import side_by_side
from subliminal.training.experiment import Experiment, build_experiment
from subliminal.training.runner import STOPPED, Job, Outcome, run_stack

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
    device = experiment.device.type
    directory, condition = plan.condition_dir(cfg, device, condition)
    found = {seed: store.examine(store.run_dir(directory, seed)) for seed in seeds}
    todo = [seed for seed in seeds if cfg.force or found[seed] != "finished"]
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
    if todo:
        config = plan.resolved(cfg)
        plan.record(config, directory, condition, seeds)
        experiment.fetch()
        if experiment.tracker is not None:
            override, line = experiment.tracker.resolve(directory.parent)
            config["tracker"] = {**config["tracker"], **override}
            if line:
                console.say(line)
        job = Job(config, condition, directory, force=cfg.force)
        with signals.termination_is_ctrl_c():
            outcomes = _run(job, todo, cfg, experiment, console)
        _tell(outcomes, console)
    return [store.run_dir(directory, seed) for seed in seeds]


def _run(
    job: Job, todo: list[int], cfg: DictConfig, experiment: Experiment, console: Console
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    told = False
    with console.progress(job.condition, len(todo)) as progress:
        while todo:
            free = [s for s in todo if store.state(store.run_dir(job.directory, s)) != "running"]
            ended = _train(job, free, cfg, experiment, progress) if free else []
            outcomes += ended
            done = {outcome.seed for outcome in ended}
            todo = [seed for seed in todo if seed not in done]
            if todo and not told:
                busy = ", ".join(str(seed) for seed in todo)
                console.say(f"Another process trains seeds {busy}; waiting for it.")
                told = True
            if todo:
                time.sleep(WAIT)
            job = replace(job, force=False)  # what others finished by now is as new as can be
        return outcomes


def _train(
    job: Job, todo: list[int], cfg: DictConfig, experiment: Experiment, progress: JobProgress
) -> list[Outcome]:
    """Train what no other process has; return how it ended."""
    size = cfg.engine.seeds_at_once or _stack_size(experiment, len(todo))
    stacks = [tuple(todo[start : start + size]) for start in range(0, len(todo), size)]
    workers = 1
    if experiment.device.type == "cpu":
        workers = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
    if min(workers, len(stacks)) == 1:
        ends = _one_by_one(job, stacks, progress.report)
    else:
        ends = side_by_side(job, stacks, workers, progress.report)
    outcomes: list[Outcome] = []
    for stack in ends:
        ended = [outcome for outcome in stack if not outcome.busy]
        outcomes += ended
        progress.seeds_done(len(ended))
    return outcomes


def _one_by_one(
    job: Job, stacks: list[tuple[int, ...]], report: Callable[[Event], None]
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each stack as it ends, all in this process."""
    for stack in stacks:
        ended = run_stack(job, stack, report=report, stop=lambda: False)
        yield ended
        if any(outcome.failure == STOPPED for outcome in ended):
            raise KeyboardInterrupt


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
