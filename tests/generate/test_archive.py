"""The file of published runs gives reports what the runs themselves give."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import handmade_runs
import polars as pl
import pytest
from archive import MEASURED, RUNS, TABLES, Archive, Published, Size, found
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from subliminal import metrics
from subliminal.config.resources import ROOT
from subliminal.errors import UserError
from subliminal.report import figures
from subliminal.report.conditions import Sweep
from subliminal.report.page import Report
from subliminal.report.read import load
from subliminal.report.tables import results

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.none()
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Two conditions of four seeds."""
    (loaded,) = load([handmade_runs.write_experiment(tmp_path / "paper")])
    return loaded


def kept(sweep: Sweep, file: Path, *, steps: bool) -> Sweep:
    """Return a sweep as a file gives it back."""
    Archive.of("paper", sweep, steps=steps).write(file)
    again = Archive.read(file).sweep("paper")
    assert again is not None
    return again


def test_a_report_from_the_file_is_that_from_the_runs(sweep: Sweep, tmp_path: Path) -> None:
    again = kept(sweep, tmp_path / "paper.parquet", steps=True)
    reports = Report(sweep), Report(again)
    for before, after in zip(*([*report.tables.items()] for report in reports), strict=True):
        assert before[0] == after[0]
        assert_frame_equal(before[1], after[1])
    for said in ("question", "caption", "made_with"):
        assert getattr(reports[0], said) == getattr(reports[1], said)
    drawn = [
        figures.draw(s, tmp_path / str(place), pdf=False) for place, s in enumerate((sweep, again))
    ]
    # Single layers' alignments are not kept at steps.
    assert drawn[0].pop("paper_layers.png")
    assert drawn[0] == drawn[1]
    for name in drawn[0]:
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_without_steps_their_means_are_the_same(sweep: Sweep, tmp_path: Path) -> None:
    again = kept(sweep, tmp_path / "paper.parquet", steps=False)
    assert_frame_equal(results(again.conditions), results(sweep.conditions))
    for before, after in zip(sweep.conditions, again.conditions, strict=True):
        assert isinstance(after, Published)
        assert after.steps.is_empty()
        assert after.logged(metrics.ALIGNMENT)
        assert not after.logged(metrics.LEDGER_ACTUAL)
        assert after.positive(metrics.ALIGNMENT) == before.positive(metrics.ALIGNMENT)
        for table in ("epochs", "teacher"):
            own = getattr(before, table).drop("phase")
            own = own[[s.name for s in own if s.null_count() < own.height]]
            assert_frame_equal(
                getattr(after, table), own, check_column_order=False, check_dtypes=False
            )
        with pytest.raises(KeyError):
            after.over_run(metrics.LEDGER_ACTUAL)


def test_what_one_condition_measured_the_others_lack(tmp_path: Path) -> None:
    first, second = (
        handmade_runs.write_run(tmp_path / "paper", f"mitigation={of}", 0)
        for of in ("none", "liminal")
    )
    epochs = pl.read_parquet(second / "epochs.parquet", glob=False)
    epochs = epochs.with_columns(cka=pl.lit(1 / 3), number=pl.col("epoch")).drop(metrics.ALIGNMENT)
    epochs.write_parquet(second / "epochs.parquet")
    steps = pl.read_parquet(second / "steps.parquet", glob=False).drop(metrics.ALIGNMENT)
    steps.write_parquet(second / "steps.parquet")
    (sweep,) = load([first.parents[1]])
    none, liminal = kept(sweep, tmp_path / "paper.parquet", steps=True).conditions
    assert none.logged(metrics.ALIGNMENT)
    assert "cka" not in none.epochs.columns
    assert not liminal.logged(metrics.ALIGNMENT)
    assert metrics.ALIGNMENT not in liminal.epochs.columns
    assert liminal.final("cka") == {0: 1 / 3}
    assert liminal.epochs["number"].dtype == pl.Int64
    runs = Archive.read(tmp_path / "paper.parquet").runs
    assert runs["alignment"].is_null().to_list() == [False, True]


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.tuples(TEXTS, TEXTS, st.integers(0, 2**31)),
        st.tuples(*[NUMBERS] * len(MEASURED), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3)),
        max_size=6,
    )
)
def test_runs_are_read_as_they_were_written(
    given: dict[tuple[str, str, int], tuple[Any, ...]],
) -> None:
    keys = ("sweep", "condition", "seed")
    rows = [
        dict(zip((*keys, *MEASURED), (*key, *run[:-1]), strict=True)) for key, run in given.items()
    ]
    epochs = [
        (*key, epoch, *values) for key, run in given.items() for epoch, values in enumerate(run[-1])
    ]
    schema = {k: RUNS[k] for k in keys} | {"epoch": pl.Int64, "a/b": pl.Float64, "c": pl.Float64}
    table = pl.DataFrame(epochs, schema=schema, orient="row")
    archive = Archive(pl.DataFrame(rows, schema=RUNS), {"epochs": table})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.parquet"
        archive.write(file)
        again = Archive.read(file)
        assert again.runs.equals(archive.runs)
        assert again.tables["epochs"].equals(table)
        first = file.read_bytes()
        again.write(file)
        assert file.read_bytes() == first


def test_a_file_of_a_newer_sweep_keeps_the_others_in_any_order(tmp_path: Path) -> None:
    archives = []
    for name in ("b", "a", "c"):
        for seed in range(2):
            handmade_runs.write_run(tmp_path / name, "mitigation=none", seed)
    sweeps = found(["a", "b", "c", "d"], [tmp_path / "absent", tmp_path])
    assert list(sweeps) == ["a", "b", "c"]
    sizes = dict.fromkeys(sweeps, Size(0, 0))
    for order in ("abc", "bca"):
        archive = Archive()
        for name in order:
            archive, _ = archive.fold({name: sweeps[name]}, sizes, steps=True)
        archives.append(archive)
    first, second = archives
    assert first.runs.equals(second.runs)
    assert all(first.tables[name].equals(second.tables[name]) for name in first.tables)
    assert first.size("a") == Size(1, 2)
    assert first.size("d") == Size(0, 0)
    assert first.sweep("d") is None


@pytest.mark.parametrize(
    ("there", "taken"), [((2, 4), True), ((1, 4), True), ((3, 4), False), ((2, 5), False)]
)
def test_fewer_conditions_or_seeds_replace_nothing(
    sweep: Sweep, there: tuple[int, int], taken: bool
) -> None:
    archive, lines = Archive().fold({"paper": sweep}, {"paper": Size(*there)}, steps=True)
    assert archive.size("paper") == (Size(2, 4) if taken else Size(0, 0))
    assert len(lines) == (0 if taken else 1)
    if not taken:
        assert lines[0] == (
            f"paper, {there[0]} conditions of at least {there[1]} seeds; "
            "the runs at hand are of 2 and 4"
        )


def test_the_headline_is_what_the_runs_measured(sweep: Sweep) -> None:
    runs = Archive.of("paper", sweep, steps=False).runs
    for row in runs.iter_rows(named=True):
        name, seed = f"mitigation={row['condition']}", row["seed"]
        alignment = handmade_runs.alignment(name, seed)
        assert row["accuracy"] == handmade_runs.accuracy(name, seed)[-1]
        assert row["teacher_accuracy"] == 0.9 + seed / 100
        assert row["distill_loss"] == 1e-4 * (seed + 1)
        assert row["alignment"] == pytest.approx(alignment.mean())
        assert row["alignment_epoch_1"] == pytest.approx(
            alignment[: handmade_runs.PER_EPOCH].mean()
        )
        assert row["positive_steps"] == pytest.approx((alignment > 0).mean())
        assert row["displacement"] is None
        assert row["seconds"] == 10 + seed
        assert json.loads(row["settings"])["mitigation"] == row["condition"]


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "paper.parquet"
    if content is None:
        pl.DataFrame({"sweep": ["paper"], "seed": ["zero"]}).write_parquet(file)
    else:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"paper\.parquet: not a table of published runs"):
        Archive.read(file)


def test_the_description_names_every_column() -> None:
    text = (ROOT / "docs" / "data" / "README.md").read_text(encoding="utf-8")
    runs, cards = text.split("## Scorecards")
    judged = pl.read_parquet(ROOT / "docs" / "data" / "scorecards.parquet").columns
    for part, columns in ((runs, {*RUNS, *TABLES}), (cards, {*judged})):
        cells = re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE)
        assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == columns


def test_the_notebook_of_the_description_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sweep: Sweep,
) -> None:
    text = (ROOT / "docs" / "data" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Archive.of("paper", sweep, steps=True).write(tmp_path / "docs" / "data" / "results.parquet")
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "0123456789abcdef" in printed
    assert "│ 2     ┆ 0.65" in printed  # the mean after the last epoch
