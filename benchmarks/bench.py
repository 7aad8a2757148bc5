"""Time and memory of sweeps, side by side with the field's usual loop: `make bench`.

One run measures, in turns so that a drifting machine slows all alike: the machine's matrix rate;
sweeps of the reference setting with everything included (start-up, data, teacher, evaluation,
files, tracking); the usual loop (`usual.py`); how fast the commands answer. A pass is the forward
and backward pass over 60,000 images; the floor of a sweep is the time of its passes at the matrix
rate. What a probe or a precision costs is told by the training loops alone, which a few seeds are
enough for. Results go to outputs/bench/bench.json, the main figures to outputs/bench/history.jsonl.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measure import EPOCHS, Record, Timed, cores, flops_per_pass, keep, matrix_rate, run, train
from rich.console import Console
from rich.table import Table

from subliminal.config import terminal

USUAL, USUAL_BESIDE = "usual loop, one seed after another", "usual loop, a seed per core"
ALL_PROBES = "alignment, ledger, displacement, by layer"
ALL_OVERRIDES = (
    "probe=[alignment,ledger,displacement]",
    *(f"probe.{name}.layers=true" for name in ("alignment", "ledger", "displacement")),
)
TWO = 2 * EPOCHS  # passes of teacher and student
PROBED = 3 * EPOCHS  # … and of the trait's gradient at every step


@dataclass(frozen=True)
class Case:
    """A sweep to time: its overrides, and the passes over the images that it cannot do without."""

    name: str
    passes: float
    overrides: tuple[str, ...] = ()
    few: bool = False  # of few seeds, for the training loops alone


CASES = (
    Case("mitigation=none", PROBED),
    Case("mitigation=liminal", PROBED, ("mitigation=liminal",)),
    Case("mitigation=projection", PROBED, ("mitigation=projection",)),
    Case("no probe", TWO, ("probe=off",)),
    Case("no tracker", PROBED, ("tracker=none",)),
    Case("alignment every 10 steps", TWO + EPOCHS / 10, ("probe.alignment.every=10",), few=True),
    Case(ALL_PROBES, PROBED, ALL_OVERRIDES, few=True),
    Case("precision=medium", PROBED, ("engine.precision=medium",), few=True),
)

Measured = dict[str, list[Timed]]


def usual(seed: int) -> list[str]:
    return [str(Path(__file__).with_name("usual.py")), f"--seed={seed}"]


def measure(
    seeds: int, few: int, repeats: int, shrink: tuple[str, ...] = ()
) -> tuple[Measured, list[float]]:
    """Time every case and the usual loop; return what each took, and matrix rates in between.

    Args:
        seeds: of each sweep.
        few: seeds of the cases that need only few, which are not repeated.
        repeats: of all else.
        shrink: overrides that make a test of it.
    """
    times: Measured = {}
    rates = [matrix_rate()]
    for repeat in range(repeats):
        for case in CASES:
            if repeat == 0 or not case.few:
                last = (few if case.few else seeds) - 1
                timed = train(f"seed=0-{last}", *case.overrides, *shrink)
                times.setdefault(case.name, []).append(timed)
                rates.append(matrix_rate(0.5))
        times.setdefault(USUAL, []).extend([alone(usual(0)), alone(usual(1))])
        if repeat == 0:
            beside = [usual(seed) for seed in range(cores())]
            times[USUAL_BESIDE] = [alone(*beside, threads=1)]
        rates.append(matrix_rate())
    return times, rates


def alone(*commands: list[str], threads: int | None = None) -> Timed:
    """Run commands side by side in a folder of their own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        return run(Path(folder), *commands, threads=threads)


def answers(repeats: int = 3) -> Record:
    """Return the seconds until the commands answer: the median of some repeats."""
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        trained = run(folder, ["-m", "subliminal.train", *SHORT])
        commands = {
            "--help": ["-m", "subliminal.train", "--help"],
            "--cfg job": ["-m", "subliminal.train", "--cfg", "job"],
            "report --text": ["-m", "subliminal.report", "--text", "outputs/main"],
        }
        seconds = {
            what: median(run(folder, command).seconds for _ in range(repeats))
            for what, command in commands.items()
        }
    assert trained.first_step is not None, "a training leaves a checkpoint or a teacher"
    return {**seconds, "first training step": trained.first_step}


# A run that ends soon after its first step.
SHORT = ("seed=0", "teacher.epochs=1", "distill.epochs=1", "distill.inputs.size=1024")


def figures(times: Measured, rates: list[float]) -> Record:
    """Return what the table shows of each case: seconds per seed, spread, ratios."""
    rate = median(rates)
    one_pass = flops_per_pass() / rate / 1e9  # s
    passes = {case.name: case.passes for case in CASES} | {USUAL: TWO, USUAL_BESIDE: TWO}
    beside = {USUAL: 1, USUAL_BESIDE: cores()}
    cases = {}
    for name, repeats in times.items():
        seeds = beside.get(name) or len(repeats[0].summaries)
        per_seed = [timed.seconds / seeds for timed in repeats]
        floor = passes[name] * one_pass
        cases[name] = {
            "seeds": seeds,
            "s per seed": median(per_seed),
            "repeats, s per seed": per_seed,
            "passes": passes[name],
            "over floor": median(per_seed) / floor,
            "core s per seed": median(timed.core_seconds / seeds for timed in repeats),
            "peak GB": max(timed.peak for timed in repeats),
        }
        if name not in beside:
            loops = [seconds for timed in repeats for seconds in loop_seconds(timed)]
            cases[name]["loops, s per seed"] = median(loops)
            cases[name]["loops, min and max over seeds"] = [min(loops), max(loops)]
            cases[name]["training loops over floor"] = median(loops) / floor
    return {
        "matrix rate, GFLOP/s": rate,
        "matrix rate, min and max": [min(rates), max(rates)],
        "GFLOP per pass": flops_per_pass() / 1e9,
        "s per pass": one_pass,
        "cases": cases,
    }


def loop_seconds(timed: Timed) -> list[float]:
    """Return each seed's seconds of teacher and student training, as if all cores shared it."""
    beside = min(cores(), len(timed.summaries))
    return [
        float(summary["seconds"]["teacher"] + summary["seconds"]["student"]) / beside
        for summary in timed.summaries
    ]


def ratios(cases: Record, one_pass: float) -> dict[str, float]:
    """Return the ratios that the targets are about.

    Args:
        cases: as `figures` returns them.
        one_pass: seconds of a pass at the matrix rate.
    """
    s = {name: case["s per seed"] for name, case in cases.items()}
    core = {name: case["core s per seed"] for name, case in cases.items()}
    loops = {
        n: case["loops, s per seed"] for n, case in cases.items() if "loops, s per seed" in case
    }
    probe = loops["mitigation=none"] - loops["no probe"]
    every_10th = loops["alignment every 10 steps"] - loops["no probe"]
    return {
        "no probe / usual": s[USUAL] / s["no probe"],
        "probe / usual": s[USUAL] / s["mitigation=none"],
        "no probe / usual, a seed per core": s[USUAL_BESIDE] / s["no probe"],
        "probe / usual, a seed per core": s[USUAL_BESIDE] / s["mitigation=none"],
        "no probe / usual, core seconds": core[USUAL_BESIDE] / core["no probe"],
        "probe / usual, core seconds": core[USUAL_BESIDE] / core["mitigation=none"],
        "W&B adds": s["mitigation=none"] / s["no tracker"] - 1,
        "probe / its passes, loops": probe / (EPOCHS * one_pass),
        "every 10th step / every step, loops": every_10th / probe,
        "ledger, displacement and layers add, loops": loops[ALL_PROBES] / loops["mitigation=none"]
        - 1,
        "medium / highest, loops": loops["mitigation=none"] / loops["precision=medium"],
    }


def show(record: Record) -> None:
    wide = Console(width=None if sys.stdout.isatty() else 132)
    title = (
        f"{record['repeats']} × each sweep; "
        f"{record['matrix rate, GFLOP/s']:.0f} GFLOP/s, a pass {record['s per pass']:.3f} s"
    )
    table = Table(*COLUMNS, title=title, title_justify="left")
    table.columns[0].no_wrap = True
    for name, case in record["cases"].items():
        table.add_row(*case_row(name, case))
    wide.print(table)
    for name, value in {**record["ratios"], **record["seconds until"]}.items():
        wide.print(f"{name}: {value:.2f}", highlight=False)


COLUMNS = (
    *("case", "seeds", "s per seed", "passes", "over floor"),
    *("loops, s", "min–max", "over floor", "core s", "peak GB"),
)


def case_row(name: str, case: Record) -> tuple[str, ...]:
    """Return a case's cells: seconds of all of it, then of its training loops, by seed."""
    loops = ("", "", "")
    if "loops, s per seed" in case:
        low, high = case["loops, min and max over seeds"]
        loops = (
            f"{case['loops, s per seed']:.2f}",
            f"{low:.2f}–{high:.2f}",
            f"{case['training loops over floor']:.2f}",
        )
    return (
        name,
        str(case["seeds"]),
        f"{case['s per seed']:.2f}",
        f"{case['passes']:g}",
        f"{case['over floor']:.2f}",
        *loops,
        f"{case['core s per seed']:.2f}",
        f"{case['peak GB']:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/bench.py", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="seeds of each sweep (20)")
    parser.add_argument("--few", type=int, default=4, help="of sweeps that need only few (4)")
    parser.add_argument("--repeats", type=int, default=1, help="in turns (1)")
    arguments = parser.parse_args()
    times, rates = measure(arguments.seeds, arguments.few, arguments.repeats)
    record = {
        "repeats": arguments.repeats,
        "cores": cores(),
        **figures(times, rates),
        "matrix rate, bf16, over fp32": matrix_rate(precision="medium") / matrix_rate(),
    }
    record["ratios"] = ratios(record["cases"], record["s per pass"])
    record["seconds until"] = answers()
    show(record)
    per_seed = {name: case["s per seed"] for name, case in record["cases"].items()}
    for line in keep("bench", record, {"s per pass": record["s per pass"], **per_seed}):
        print(line)


if __name__ == "__main__":
    terminal.settle()
    main()
