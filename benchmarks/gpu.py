"""What a GPU gives: `python benchmarks/gpu.py FOLDER`, three to six minutes on an H200.

Times of the reference setting (20 seeds, one, 200), a step's host and device time, memory, noise,
precision, convolutions; and its numbers against the CPU's. FOLDER/gpu.json has all that was
measured, whatever failed; what docs/gpu.md says of it is printed last. Parts are named to run
these alone: `python benchmarks/gpu.py FOLDER jobs noise`.
"""

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra import compose, initialize_config_dir
from measure import EPOCHS, Record, flops_per_pass, train

from subliminal import metrics, store
from subliminal.config import schema, seeds, sources, terminal
from subliminal.config.canonical import composed_values
from subliminal.config.resources import CONF
from subliminal.store.provenance import environment
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.tensors import draws, philox
from subliminal.training.job import Job

SECONDS = 330.0  # no part is begun after so many
SEEDS = 20  # of a job
CUDA = torch.device("cuda")
MITIGATIONS = ("none", "liminal", "projection")


class Session:
    """A folder of runs, and what was measured so far."""

    def __init__(self, folder: Path, runs: Path) -> None:
        self.file, self.runs = folder / "gpu.json", runs
        made = datetime.now(UTC).isoformat(timespec="seconds")
        self.record: Record = {
            "made": made,
            "environment": environment(),
            "parts": {},
            "failed": {},
        }
        self.began = time.perf_counter()

    def part(self, name: str, measured: Callable[["Session"], Record]) -> None:
        """Measure a part; what fails, or comes too late, is noted, and the rest is measured."""
        started = time.perf_counter()
        if started - self.began > SECONDS:
            self.record["failed"][name] = "no time was left"
            return
        try:
            self.record["parts"][name] = measured(self)
        except Exception:
            self.record["failed"][name] = traceback.format_exc()
            print(self.record["failed"][name], file=sys.stderr)
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.empty_cache()
        self.record["parts"].setdefault(name, {})["seconds"] = time.perf_counter() - started
        self.file.write_text(json.dumps(self.record, indent=1) + "\n")
        print(f"{name}: {time.perf_counter() - started:.1f} s", flush=True)

    def job(self, name: str, *overrides: str) -> tuple[list[Path], Record]:
        """Run a job in this process; return its runs, and its times and memory."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        words = ["engine.device=cuda", "tracker=none", f"outputs={self.runs / name}", *overrides]
        started = time.perf_counter()
        runs = run_job(Job(composed(*words), name), Console())
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        summaries = [store.read_summary(run) for run in runs]
        return runs, {
            "seeds": len(runs),
            "stack": summaries[0]["stack"],
            "seconds": seconds,
            "phases": summaries[0]["seconds"],
            "device_gb": torch.cuda.max_memory_allocated() / 1e9,
            "host_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,  # so far
            "trait": float(final(runs).mean()),
            "alignment": float(final(runs, metrics.ALIGNMENT).mean())
            if "probe=off" not in overrides
            else None,
        }


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return composed_values(compose("config", seeds.quote([*overrides], named=set())))


def final(runs: Sequence[Path], name: str = metrics.TRAIT_ACCURACY) -> np.ndarray:
    """Return a metric of each run after its last epoch."""
    rows = [pl.read_parquet(run / "epochs.parquet", glob=False)[name].drop_nulls() for run in runs]
    return np.array([row[-1] for row in rows])


def machine(session: Session) -> Record:
    """The card, and its rate of the reference model's largest products."""
    properties = torch.cuda.get_device_properties(CUDA)
    found: Record = {
        "name": properties.name,
        "gb": properties.total_memory / 1e9,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "driver": str(torch.cuda.get_device_capability(CUDA)),
    }
    a, b = (torch.randn(SEEDS, *shape, device=CUDA) for shape in ((256, 784), (784, 1024)))
    for precision in ("highest", "high", "medium"):
        torch.set_float32_matmul_precision(precision)
        seconds = timed(lambda: a @ b)
        found[f"tflops_{precision}"] = SEEDS * 2 * 256 * 784 * 1024 / seconds / 1e12
    torch.set_float32_matmul_precision("highest")
    return found


def timed(call: Callable[[], object], repeats: int = 20) -> float:
    """Return the median seconds of a call on the device."""
    event: Any = torch.cuda.Event
    call()
    times = []
    for _ in range(repeats):
        start, end = (event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return float(np.median(times))


def jobs(session: Session) -> Record:
    """The reference setting: one seed, 20 under each mitigation, the same again, 200."""
    found: Record = {}
    runs: dict[str, list[Path]] = {}
    _, found["warm-up"] = session.job("warm", "seed=0", "teacher.epochs=1", "distill.epochs=1")
    for mitigation in MITIGATIONS:
        words = ["seed=0-19", f"mitigation={mitigation}"]
        runs[mitigation], found[mitigation] = session.job(mitigation, *words)
    again, _ = session.job("again", "seed=0-19")
    found["same bits again"] = students(again) == students(runs["none"])
    alone, found["one seed"] = session.job("alone", "seed=3")
    found["one seed"]["trait apart from its stack's"] = float(
        abs(final(alone) - final(runs["none"][3:4]))[0]
    )
    _, found["no probe"] = session.job("no-probe", "seed=0-19", "probe=off")
    _, found["high"] = session.job("high", "seed=0-19", "engine.precision=high")
    return found


def large(session: Session) -> Record:
    """200 seeds."""
    return session.job("large", "seed=0-199")[1]


def students(runs: Sequence[Path]) -> list[bytes]:
    return [(run / "student.safetensors").read_bytes() for run in runs]


def command(session: Session) -> Record:
    """The command of 20 seeds as a user types it: start-up, first step, host memory."""
    found = train("seed=0-19", "tracker=none", "engine.device=cuda")
    return {
        "seconds_in_all": found.seconds,
        "first_step": found.first_step,
        "core_seconds": found.core_seconds,
        "host_gb": found.peak,
    }


def steps(session: Session) -> Record:
    """Host and device time of a student's step of 20 seeds."""
    from torch.profiler import ProfilerActivity, profile

    session.job("profiled", "seed=0-19", "distill.epochs=1")  # the teachers
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=activities) as watching:
        _, found = session.job("profiled", "seed=0-19", "distill.epochs=1", "force=true")
    events = watching.key_averages()
    device = sum(event.self_device_time_total for event in events) / 1e6
    kernels = sum(event.count for event in events if event.self_device_time_total > 0)
    top = sorted(events, key=lambda event: -event.self_device_time_total)[:25]
    host = sorted(events, key=lambda event: -event.self_cpu_time_total)[:25]
    return {
        "student_seconds": found["phases"]["student"],
        "device_seconds": device,
        "kernels": kernels,
        "by_device": {e.key: [e.self_device_time_total / 1e6, e.count] for e in top},
        "by_host": {e.key: [e.self_cpu_time_total / 1e6, e.count] for e in host},
    }


def noise(session: Session) -> Record:
    """Seconds a number of the device's generator, and a batch made anew against one gathered."""
    keys = draws.OnDevice(range(SEEDS), CUDA)
    images = torch.empty(SEEDS, 1024, 784, device=CUDA)
    source = keys.noise("x", epoch=0)
    uniform = timed(lambda: source.uniform_(images), 5)
    normal = timed(lambda: source.normal_(images), 5)
    table = torch.empty(SEEDS * 10_000, 784, device=CUDA)
    rows = torch.randint(len(table), (SEEDS * 1024,), device=CUDA)
    return {
        "ns_a_uniform": uniform / images.numel() * 1e9,
        "ns_a_normal": normal / images.numel() * 1e9,
        "batch_made_ms": uniform * 1e3,
        "batch_gathered_ms": timed(lambda: table.index_select(0, rows)) * 1e3,
        "orders_ms": timed(lambda: keys.order("x", 60_000, epoch=0)) * 1e3,
        "blocks_at_once": draws.AT_ONCE * philox.PER_BLOCK,
    }


def convolutions(session: Session) -> Record:
    """Four seeds of the convolutional network, at both precisions."""
    words = ["seed=0-3", "model=cnn", "teacher.epochs=1", "distill.epochs=1"]
    return {
        precision: session.job(f"cnn-{precision}", *words, f"engine.precision={precision}")[1]
        for precision in ("highest", "high")
    }


def _on_cpu(outputs: str, seed: int) -> str:
    """Train a seed on the CPU with the numbers that the GPU draws; runs in a process of its own."""
    draws.of = draws.OnDevice
    prepare()
    words = ["engine.device=cpu", "tracker=none", "engine.workers=1", f"outputs={outputs}"]
    (run,) = run_job(Job(composed(*words, f"seed={seed}"), "cpu"), Console())
    return str(run)


def against_cpu(session: Session) -> Record:
    """Eight seeds of the reference setting on the CPU, of the same random numbers."""
    context = multiprocessing.get_context("spawn")
    outputs = str(session.runs / "cpu")
    with context.Pool(8) as pool:
        jobs = [pool.apply_async(_on_cpu, (f"{outputs}-{seed}", seed)) for seed in range(8)]
        theirs = [Path(job.get(timeout=240)) for job in jobs]
    ours, _ = session.job("against", "seed=0-7")
    found: Record = {"trait_gpu": final(ours).tolist(), "trait_cpu": final(theirs).tolist()}
    for name in (metrics.DISTILL_LOSS, metrics.TRAIT_LOSS, metrics.ALIGNMENT):
        tables = [
            np.stack([pl.read_parquet(run / "steps.parquet")[name].drop_nulls() for run in runs])
            for runs in (ours, theirs)
        ]
        apart = np.abs(tables[0] - tables[1])
        found[name] = {
            "first step": float(apart[:, 0].max()),
            "first 10 steps": float(apart[:, :10].max()),
            "all steps": float(apart.max()),
            "typical": float(np.abs(tables[1]).mean()),
        }
    return found


PARTS: dict[str, Callable[[Session], Record]] = {
    "machine": machine,
    "noise": noise,
    "jobs": jobs,
    "steps": steps,
    "command": command,
    "against_cpu": against_cpu,
    "convolutions": convolutions,
    "large": large,
}


def table(record: Record) -> Iterator[str]:
    """Yield the lines of docs/gpu.md."""
    parts = record["parts"]
    card, rate = parts["machine"]["name"], parts["machine"]["tflops_highest"]
    yield (
        f"{card}, torch {parts['machine']['torch']}. The floor is the time of the passes at the "
        f"rate of the reference model's first product in float32, {rate:.0f} TFLOP/s "
        f"({parts['machine']['tflops_high']:.0f} in TF32).\n"
    )
    yield "| job | seeds | at once | s | ms a seed | over the floor | GPU GB | trait accuracy |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    jobs = {**parts.get("jobs", {}), "200 seeds": parts.get("large")}
    for name, row in jobs.items():
        if isinstance(row, dict) and "stack" in row and name != "warm-up":
            passes = (2 if name == "no probe" else 3) * EPOCHS
            floor = passes * flops_per_pass() * row["seeds"] / (rate * 1e12)
            yield (
                f"| {name} | {row['seeds']} | {row['stack']} | {row['seconds']:.2f} | "
                f"{1e3 * row['seconds'] / row['seeds']:.0f} | {row['seconds'] / floor:.1f} | "
                f"{row['device_gb']:.1f} | {row['trait']:.3f} |"
            )
    if "command" in parts:
        whole = parts["command"]
        yield (
            f"\nThe command of 20 seeds takes {whole['seconds_in_all']:.1f} s, start-up included, "
            f"{whole['first_step']:.1f} s to its first training step, and "
            f"{whole['host_gb']:.1f} GB of the host's memory."
        )
    if "one seed" in parts.get("jobs", {}):
        again = "the same bits" if parts["jobs"]["same bits again"] else "OTHER BITS"
        apart = parts["jobs"]["one seed"]["trait apart from its stack's"]
        yield (
            f"The same job again gives {again}; a seed alone ends {apart:.4f} of trait accuracy "
            "from the same seed in its stack of 20."
        )
    if "against_cpu" in parts:
        there, here = (fmean(parts["against_cpu"][f"trait_{kind}"]) for kind in ("gpu", "cpu"))
        yield (
            f"Eight seeds end at a mean trait accuracy of {there:.4f}, and of {here:.4f} on a "
            "processor that draws the card's numbers."
        )
    if "steps" in parts:
        share = parts["steps"]["device_seconds"] / parts["steps"]["student_seconds"]
        yield (
            f"An epoch of 20 students keeps the card busy for {100 * share:.0f} % of its time (as "
            f"the profiler sees it): it waits for the host, which launches "
            f"{parts['steps']['kernels']:,} kernels."
        )


def prepare() -> None:
    """Let Hydra know the schema and the sources, and cuBLAS that its sums keep their order."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    schema.register()
    sources.register()


def main() -> None:
    if len(sys.argv) < 2 or not torch.cuda.is_available():
        sys.exit(__doc__ if len(sys.argv) < 2 else "error: this machine has no GPU")
    folder, chosen = Path(sys.argv[1]), sys.argv[2:] or [*PARTS]
    folder.mkdir(parents=True, exist_ok=True)
    prepare()
    with tempfile.TemporaryDirectory(prefix="gpu") as runs:
        session = Session(folder, Path(runs))
        for name in chosen:
            session.part(name, PARTS[name])
    if "machine" in session.record["parts"]:
        print("\n".join(table(session.record)))
    if session.record["failed"]:
        sys.exit(f"failed: {', '.join(session.record['failed'])}")


if __name__ == "__main__":
    terminal.settle()
    main()
