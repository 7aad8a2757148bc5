"""Share of small changes to the code (mutants) that the tests of its folder notice.

`make mutants PARTS='store config/guard.py'`: mutmut makes the mutants and runs the tests. All take
hours, so a seeded sample is tried: of each part as many as given (`PARTS='store --sample 200'`), or
as many as its minutes allow, those with the fastest tests first. The code is copied; the working
tree is left as it is. Left out are decorated functions and constants outside of functions, which
mutmut does not change, and what only slow tests or subprocesses run.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from subliminal.config import terminal

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".mutants"
PARTS = (
    "config/guard.py",
    "report/statistics.py",
    "store",
    "mitigations",
    "training/checkpoint.py",
    *(f"judge/{name}.py" for name in ("dial", "fieller", "flags", "lines", "recovery")),
)
# Each mutant is forked from a process that has run no test, and so has no threads that hold locks.
HEAD = "[mutmut]\nprocess_isolation = forkserver\n"
ALSO = {  # modules whose tests lie above them
    "mitigations": ["tests/config/test_ranges.py"],
    "store": ["tests/commands/test_runs.py"],
    "report/statistics.py": ["tests/report/test_declared.py"],
    "judge/lines.py": ["tests/judge/test_scorecard.py"],
}
# It starts a Python without packages, where mutants cannot be imported.
LEFT_OUT = "tests/store/test_provenance.py::test_a_checkout_that_is_not_installed_has_no_version"
CAUGHT = ("killed", "timeout", "segfault", "suspicious")
MISSED = ("survived", "no tests")


def tests_of(part: str) -> str:
    """Return the tests of a folder or file below src/subliminal."""
    folder, _, name = part.rpartition("/")
    own = f"tests/{folder}/test_{name}"
    return own if name.endswith(".py") and (ROOT / own).is_file() else f"tests/{folder or name}"


def prepare(part: str) -> None:
    """Copy the files that git knows, and write mutmut's settings for one part."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    others = sorted(p.name for p in COPY.iterdir() if p.name not in ("src", "tests"))
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"src/subliminal/{part}" + ("" if part.endswith(".py") else "/*")],
        "also_copy": others,
        "pytest_add_cli_args": ["-m", "not slow", "--deselect", LEFT_OUT, "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": [tests_of(part), *ALSO.get(part, [])],
    }
    lines = [f"{key} =\n" + "".join(f"    {v}\n" for v in vs) for key, vs in settings.items()]
    (COPY / "setup.cfg").write_text("".join([HEAD, *lines]), encoding="utf-8")


def mutmut(*words: str, seconds: float | None = None) -> str:
    """Run mutmut in the copy until its end or the time limit; return its output."""
    command = [sys.executable, "-m", "mutmut", *words]
    with subprocess.Popen(
        command,
        cwd=COPY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # with it end the processes that try mutants
    ) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0]


def results() -> dict[str, str]:
    """Return the status of each mutant by its name."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().split(": ") for line in lines if "__mutmut_" in line)


def main() -> None:
    """Try a sample of each part's mutants; print the share that was caught, and the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help="below src/subliminal")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each part")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, default=30, help="time limit of each part")
    given = parser.parse_args()
    for part in given.parts:
        prepare(part)
        mutmut("run", "--max-children", "1", "none")  # makes them all, and runs none
        names = sorted(results())
        chosen = random.Random(given.seed).sample(names, min(given.sample, len(names)))
        said = mutmut("run", "--max-children", "1", *chosen, seconds=60 * given.minutes)
        found = results()
        count = Counter(found[name] for name in chosen)
        caught, missed = (sum(count[status] for status in kind) for kind in (CAUGHT, MISSED))
        if not caught + missed:
            sys.exit(f"{part}: no mutant was tried: {said[-2000:]}")
        print(
            f"{part}: {caught} of {caught + missed} caught; {len(names)} mutants in all", flush=True
        )
        for name in sorted(name for name in chosen if found[name] in MISSED):
            print(f"  {found[name]}: {name}")
            print("".join(f"    {line}\n" for line in mutmut("show", name).splitlines()[2:]))


if __name__ == "__main__":
    terminal.settle()
    main()
