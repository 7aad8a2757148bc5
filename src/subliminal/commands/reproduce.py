"""`python -m subliminal reproduce RUN_DIR`: train a finished run again and compare.

The run is trained from the config in its own folder, into a temporary one. Exit status: 0 the same
to the last bit, 1 not the same (the table shows by how much), 2 bad input.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from subliminal import store, terminal
from subliminal.config import command, variables
from subliminal.config.earlier import filled
from subliminal.config.resources import DISTRIBUTION
from subliminal.errors import UserError, one_line

TABLES = ("steps", "epochs")


def recorded_config(run: Path, outputs: Path) -> DictConfig:
    """Return the config of the finished run, to be trained again on its kind of device.

    Its files go below `outputs` and nowhere else: a run folder may come from a stranger, and so
    has no say in where this machine writes.

    Raises:
        UserError: there is no finished run, or its config cannot be read.
    """
    if not store.finished(run):
        raise UserError(f"{run}: no finished run; name a folder …/seed-0007 with a {store.MARKER}")
    if lost := [name for name in store.DATA if not (run / name).is_file()]:
        raise UserError(f"{run}: {', '.join(lost)} missing; there is nothing to compare with")
    try:
        recorded = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
        assert isinstance(recorded, dict)
        whole = filled({str(key): value for key, value in recorded.items()})
        device = str(store.read_summary(run)["device"]).split(":")[0]
        again = {"outputs": str(outputs), "name": "again", "tracker": None, "resume": False}
        cfg = OmegaConf.merge(whole, again, {"engine": {"device": device, "workers": 1}})
        assert isinstance(cfg, DictConfig)
        if cfg.data.get("root") is not None:
            cfg.data.download = False
    except (
        OSError,
        ValueError,
        KeyError,
        AssertionError,
        YAMLError,
        OmegaConfBaseException,
    ) as error:
        raise UserError(f"{run}: its config cannot be read ({one_line(error)})") from error
    return cfg


def same_bits(run: Path, again: Path) -> bool:
    """Tell whether two runs' tables and students are the same to the last bit."""
    for name in TABLES:
        ours, theirs = (pl.read_parquet(d / f"{name}.parquet", glob=False) for d in (run, again))
        # A commit may have measured more than another, and in another order.
        if set(ours.columns) != set(theirs.columns) or not ours.equals(theirs[ours.columns]):
            return False
    student, trained = ((d / "student.safetensors").read_bytes() for d in (run, again))
    return student == trained


def differences(run: Path, again: Path) -> list[tuple[str, float, float, float | None]]:
    """Return each headline result: its name, recorded, trained again, SD over finished seeds.

    The SD is that of the run's condition; None when it has a single finished seed.
    """
    siblings = [d for d in store.run_dirs(run.parent) if store.finished(d)]
    spread = []
    for sibling in siblings:
        with suppress(store.Damaged):
            spread.append(_flat(store.read_summary(sibling)["results"]))
    recorded, trained = (_flat(store.read_summary(d)["results"]) for d in (run, again))
    rows = []
    for name in sorted(recorded.keys() & trained.keys()):
        values = [results[name] for results in spread if name in results]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        rows.append((name, recorded[name], trained[name], deviation))
    return rows


def _flat(results: dict[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in results.items():
        if isinstance(value, list):
            flat |= {f"{name}[{k + 1}]": float(v) for k, v in enumerate(value)}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat


def _made_with(run: Path) -> dict[str, Any]:
    made: dict[str, Any] = store.read_summary(run).get("environment", {})
    packages: dict[str, Any] = made.get("packages", {})
    if "subliminal" in packages:  # early runs name us by the import name
        packages[DISTRIBUTION] = packages.pop("subliminal")
    return {**made, **packages, "packages": None}


def _show(run: Path, again: Path) -> None:
    print(f"{'result':34} {'recorded':>12} {'again':>12} {'difference':>12} {'in SD':>8}")
    for name, recorded, trained, deviation in differences(run, again):
        in_sd = f"{abs(trained - recorded) / deviation:.2g}" if deviation else "–"
        shown = f"{recorded:12.6g} {trained:12.6g} {trained - recorded:12.3g}"
        print(f"{name:34} {shown} {in_sd:>8}")
    before, now = _made_with(run), _made_with(again)
    for key in sorted(before.keys() & now.keys()):
        if before[key] != now[key]:
            print(f"{key}: {before[key]} then, {now[key]} now")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    terminal.settle()
    parser = argparse.ArgumentParser(prog="python -m subliminal reproduce", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a finished run: …/seed-0007")
    run: Path = parser.parse_args(argv).run
    variables.tell(variables.unset_numeric_variables())
    return command.status(lambda: _reproduce(run), "Stopped.")


def _reproduce(run: Path) -> int:
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job

    with tempfile.TemporaryDirectory(prefix="subliminal-") as folder:
        cfg = recorded_config(run, Path(folder))
        (again,) = run_job(cfg, "again", Console())
        if same_bits(run, again):
            print(f"{run}: the same to the last bit")
            return 0
        print(f"{run}: not the same bits")
        _show(run, again)
        return 1


if __name__ == "__main__":
    sys.exit(main())
