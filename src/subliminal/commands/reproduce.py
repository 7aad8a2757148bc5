"""`python -m subliminal reproduce RUN_DIR`: train a finished run again and compare.

The config is that in the run's folder; the new run goes to a temporary one. Exit status: 0 the same
to the last bit, 1 not the same (a table shows by how much), 2 bad input.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from subliminal import store
from subliminal.config import canonical, command, variables
from subliminal.config.resources import user_path
from subliminal.errors import UserError, one_line
from subliminal.store.tables import read_table

if TYPE_CHECKING:
    from subliminal.training.job import Job


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = command.Parser(prog="subliminal reproduce", description=__doc__)
    parser.add_argument("run", type=user_path, help="the folder of a finished run: …/seed-0007")
    run: Path = parser.parse_args(argv).run
    variables.report_unset(variables.unset_numeric_variables())
    return command.status(lambda: _reproduce(run), "Stopped.")


def _reproduce(run: Path) -> int:
    from subliminal.sweep.console import Console
    from subliminal.sweep.engine import run_job

    with tempfile.TemporaryDirectory(prefix="subliminal-") as folder:
        (again,) = run_job(recorded_job(run, Path(folder)), Console())
        if same_bits(run, again):
            print(f"{run}: the same to the last bit")
            return 0
        print(f"{run}: not the same bits")
        _show(run, again)
        return 1


def recorded_job(run: Path, outputs: Path) -> Job:
    """Return the job of a finished run, for training it again on its kind of device.

    Its files go below `outputs` alone: the run folder may be a stranger's, and must not choose
    where this machine writes.

    Raises:
        UserError: there is no finished run, or its config cannot be read or does not fit.
    """
    from subliminal.training.job import Job

    if not store.finished(run):
        raise UserError(f"{run}: no finished run; name a folder …/seed-0007 with a {store.MARKER}")
    if lost := [name for name in store.DATA if not (run / name).is_file()]:
        raise UserError(f"{run}: {', '.join(lost)} missing; there is nothing to compare with")
    config = store.read_config(run)
    device = str(store.read_summary(run)["device"]).split(":")[0]
    try:
        engine, data = {**config["engine"]}, {**config["data"]}
    except (KeyError, TypeError) as error:
        raise UserError(f"{run}: its config cannot be read ({one_line(error)})") from error
    if data.get("root") is not None:
        data["download"] = False
    engine |= {"device": device, "workers": 1}
    own = {"outputs": str(outputs), "name": "again", "tracker": None, "resume": False}
    return Job({**config, **own, "engine": engine, "data": data}, "again")


def same_bits(run: Path, again: Path) -> bool:
    """Return whether two runs' tables and students are the same to the last bit."""
    for name in ("steps", "epochs"):
        a, b = (read_table(d / f"{name}.parquet") for d in (run, again))
        # Two commits may measure in another order, or not the same.
        if set(a.columns) != set(b.columns) or not a.equals(b[a.columns]):
            return False
    return (run / store.STUDENT).read_bytes() == (again / store.STUDENT).read_bytes()


def differences(run: Path, again: Path) -> list[tuple[str, float, float, float | None]]:
    """Return each headline result: its name, recorded, trained again, SD over finished seeds.

    The SD is that of the run's condition; None when it has a single finished seed.
    """
    spread = []
    for sibling in filter(store.finished, store.run_dirs(run.parent)):
        with suppress(store.Damaged):
            spread.append(_results(sibling))
    recorded, trained = _results(run), _results(again)
    rows = []
    for name in sorted(recorded.keys() & trained.keys()):
        values = [results[name] for results in spread if name in results]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        rows.append((name, recorded[name], trained[name], deviation))
    return rows


def _results(run: Path) -> dict[str, float]:
    """Return the headline results, those by epoch under a name for each epoch."""
    flat: dict[str, float] = {}
    for name, value in store.read_summary(run)["results"].items():
        if isinstance(value, list):
            flat |= {f"{name}[{k + 1}]": float(v) for k, v in enumerate(value)}
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat


def _show(run: Path, again: Path) -> None:
    """Print the differences in the results, and in what the runs were made with."""
    print(f"{'result':34} {'recorded':>12} {'again':>12} {'difference':>12} {'in SD':>8}")
    for name, recorded, trained, deviation in differences(run, again):
        in_sd = f"{abs(trained - recorded) / deviation:.2g}" if deviation else "–"
        shown = f"{recorded:12.6g} {trained:12.6g} {trained - recorded:12.3g}"
        print(f"{name:34} {shown} {in_sd:>8}")
    made = [store.read_summary(d)["environment"] for d in (run, again)]
    for key, (before, now) in canonical.differences(*made).items():
        print(f"{key}: {before} then, {now} now")
