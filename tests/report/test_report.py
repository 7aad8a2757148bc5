"""The report on an experiment made by hand: two conditions, no training."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from handmade_runs import PER_EPOCH, SEEDS, accuracy, alignment, config, write_experiment, write_run
from omegaconf import OmegaConf
from PIL import Image
from report_command import run_report

from subliminal import store
from subliminal.report import figures
from subliminal.report.__main__ import main
from subliminal.report.conditions import Condition, smooth
from subliminal.report.figures import style
from subliminal.report.page import Report
from subliminal.report.read import load
from subliminal.report.tables import DIFFERENCE, by_epoch, results, tidy
from subliminal.sweep.launchers import BeforeSearch


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conditions of four seeds, under the name of a sweep that declares claims."""
    return write_experiment(tmp_path_factory.mktemp("store") / "paper")


@pytest.fixture(scope="module")
def both(paper: Path) -> list[Condition]:
    """The conditions none and liminal."""
    return conditions(paper)


@pytest.fixture
def experiment(paper: Path, tmp_path: Path) -> Path:
    """A copy of the experiment, to change."""
    return shutil.copytree(paper, tmp_path / "paper")


def conditions(*paths: Path) -> list[Condition]:
    (sweep,) = load(paths)
    return sweep.conditions


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_conditions_are_loaded_the_baseline_first(both: list[Condition]) -> None:
    none, liminal = both
    assert (none.name, liminal.name) == ("none", "liminal")
    assert none.seeds == (0, 1, 2, 3)
    assert none.epochs["phase"].unique().to_list() == ["student"]
    assert none.teacher["phase"].unique().to_list() == ["teacher"]
    assert none.final("trait/accuracy") == pytest.approx({0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8})
    assert liminal.over_run("alignment/cosine") == pytest.approx(
        {seed: alignment("mitigation=liminal", seed).mean() for seed in range(4)}
    )


def test_a_curve_has_a_row_for_each_seed_where_the_metric_was_measured(
    both: list[Condition],
) -> None:
    x, values = both[0].curve("ledger/actual_total")
    np.testing.assert_array_equal(x, np.arange(2 * PER_EPOCH) / PER_EPOCH)
    np.testing.assert_array_equal(values, np.tile(-0.01 * np.arange(1, 2 * PER_EPOCH + 1), (4, 1)))
    raw = np.stack([alignment("mitigation=none", seed) for seed in range(4)])
    smoothed = smooth(np.arange(2 * PER_EPOCH) / PER_EPOCH, raw)
    for found, expected in zip(both[0].curve("alignment/cosine"), smoothed, strict=True):
        np.testing.assert_array_equal(found, expected)
    x, values = both[0].curve("alignment/cosine", "epochs")
    np.testing.assert_array_equal(x, [1, 2])
    assert values.shape == (4, 2)


def test_unfinished_runs_are_not_read(experiment: Path) -> None:
    (experiment / "mitigation=none-00000000" / "seed-0002" / store.MARKER).unlink()
    assert conditions(experiment)[0].seeds == (0, 1, 3)


def test_two_conditions_of_one_name_are_told_apart(experiment: Path) -> None:
    write_run(experiment, "mitigation=none", 0, folder="mitigation=none-11111111")
    names = [condition.name for condition in conditions(experiment)]
    assert names == ["none (00000000)", "none (11111111)", "liminal"]


def test_results_agree_with_numpy(both: list[Condition]) -> None:
    none, liminal = results(both).iter_rows(named=True)
    final = {c: np.array([accuracy(c, s)[-1] for s in range(4)]) for c in SEEDS}
    for row, condition in ((none, "mitigation=none"), (liminal, "mitigation=liminal")):
        cosines = np.stack([alignment(condition, seed) for seed in range(4)])
        assert (row["condition"], row["n"]) == (condition.removeprefix("mitigation="), "4")
        assert row["trait accuracy"].startswith(f"{final[condition].mean():.3f} [")
        assert row["alignment"].startswith(f"{cosines.mean():.4f} [")
        assert row["positive steps"].startswith(f"{(cosines > 0).mean():.2f} [")
        assert row["distillation loss ×10⁴"].startswith("2.50 [")  # 1, 2, 3, 4
    assert none["paired difference"] == "–"
    difference = (final["mitigation=liminal"] - final["mitigation=none"]).mean()
    assert liminal["paired difference"].startswith(f"{difference:+.3f} [")


def test_what_a_search_optimises_is_a_column_that_marks_the_best(experiment: Path) -> None:
    sweeper = {"_target_": "optuna", "direction": ["maximize", "minimize"]}
    goals = ["trait/accuracy", "distill/loss"]
    of = {"outputs": str(experiment.parent), "name": experiment.name, "objective": goals}
    hydra = {"sweeper": sweeper, "runtime": {"config_sources": []}, "launcher": {"_target_": "x"}}
    BeforeSearch().on_multirun_start(OmegaConf.create({**of, "hydra": hydra}))
    none, liminal = results(conditions(experiment)).iter_rows(named=True)
    final = [np.mean([accuracy(c, s)[-1] for s in range(4)]) for c in SEEDS]
    assert liminal["objective trait/accuracy"] == f"{final[0]:.4g}"
    assert none["objective trait/accuracy"] == f"{final[1]:.4g} (best)"
    assert none["objective distill/loss"] == "0.00025 (best)"


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, "mitigation=none", seed)
    for seed in (1, 3, 7):  # seed 7 has no partner
        write_run(tmp_path, "mitigation=liminal", seed)
    _, row = results(conditions(tmp_path)).iter_rows(named=True)
    # 0.45 - 0.6 and 0.55 - 0.8.
    assert row["paired difference"].startswith("-0.200 [")
    assert row["n"] == "3"
    (none, liminal) = (tmp_path / f"mitigation={name}-00000000" for name in ("none", "liminal"))
    _, row = results(conditions(none / "seed-0000", liminal / "seed-0001")).iter_rows(named=True)
    assert row["paired difference"] == "no seed in common"


def test_seeds_in_common_are_those_of_the_same_images(tmp_path: Path) -> None:
    def data(name: str, **keys: object) -> dict[str, object]:
        return {"_target_": f"subliminal.data.{name}.{name.title()}", **keys}

    others: dict[str, dict[str, Any]] = {
        "fashion": {"data": data("fashion", normalise="unit")},
        "mnist": {"data": data("mnist", normalise="unit")},
        "shifted": {"data": data("mnist", normalise="standard")},
        "two": {"data": data("mnist", normalise="unit", classes=[0, 1])},
        "validation": {"data": data("mnist", normalise="unit"), "trait": {"on": "validation"}},
    }
    for name, science in others.items():
        settings = config("none", **science)
        write_run(tmp_path / name, "mitigation=none", 0, settings=settings)
    (sweep,) = load([tmp_path / name for name in ("mnist", *others)], together=True)
    of = {c.directory.parent.name: c for c in sweep.conditions}
    paired = {name for name in others if of[name].differences(of["mnist"])}
    assert paired == {"mnist", "shifted"}
    shown = results([of["mnist"], of["fashion"]])["paired difference"].to_list()
    assert shown == ["–", "other data"]


def test_differences_are_drawn_of_conditions_that_have_some(tmp_path: Path) -> None:
    for place in range(style.MOST_ROWS + 1):  # all but the last have no seed in common
        write_run(
            tmp_path,
            f"mitigation={'none' if place == 0 else 'liminal'}",
            0 if place in (0, style.MOST_ROWS // 2 + 1) else 1,
            folder=f"{place}-00000000",
            settings=config("none" if place == 0 else "liminal", width=place),
        )
    (sweep,) = load([tmp_path])
    (drawing,) = (one for one in figures.drawings(sweep) if one.name == "differences")
    assert len(drawing.draw(sweep).axes[0].get_yticks()) == 1


def test_by_epoch_has_a_row_for_each_condition(both: list[Condition]) -> None:
    shown = tidy(both, ["trait/accuracy", "alignment/cosine", "no/metric"])
    table = by_epoch(shown, "trait/accuracy", 3)
    assert table.columns == ["condition", "epoch 0", "epoch 1", "epoch 2"]
    assert table["condition"].to_list() == ["none", "liminal"]
    assert table["epoch 2"][0].startswith("0.650 [")
    assert by_epoch(shown, "alignment/cosine", 4).columns == ["condition", "epoch 1", "epoch 2"]
    assert by_epoch(shown, "no/metric", 4).height == 0


def test_caption_and_provenance(paper: Path) -> None:
    report = Report(load([paper])[0])
    assert "n = 4 seeds" in report.caption
    assert "Teacher accuracy 0.915 [" in report.caption  # 0.90 … 0.93
    assert f"configs {report.sweep.digest}" in report.caption
    assert "artial" not in report.caption
    assert report.made_with == (
        "Made on A Processor (cpu, 1 thread per process) with torch 2.9.0, commit 0123456789ab; "
        "a student took 12 s (median)."
    )


def test_a_gpu_is_told_by_its_name(experiment: Path) -> None:
    for file in experiment.rglob(store.MARKER):
        summary = json.loads(file.read_text())
        file.write_text(json.dumps(summary | {"device": "cuda", "card": "A Card"}))
    assert "A Processor (A Card, 1 thread per process)" in Report(load([experiment])[0]).made_with


def test_the_command_writes_tables_figures_and_page(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_report(monkeypatch, experiment) == 0
    first = contents(experiment / "report")
    out = capsys.readouterr().out
    assert "liminal" in out
    assert f"Files: {experiment / 'report'}" in out
    drawn = [
        f"figures/paper_{name}.{suffix}"
        for name in ("training", "accuracy", "ledger", "differences", "frontier", "layers")
        for suffix in ("png", "pdf")
    ]
    for figure in drawn:
        magic = b"\x89PNG" if figure.endswith("png") else b"%PDF"
        assert first[figure].startswith(magic)
        assert len(first[figure]) > 5000
    page = first["results.md"].decode()
    assert all(f"]({figure})" in page for figure in drawn if figure.endswith("png"))

    table = pl.read_csv(experiment / "report" / "trait_accuracy.csv", infer_schema=False)
    numbers = tidy(conditions(experiment), ["trait/accuracy"])
    expected = by_epoch(numbers, "trait/accuracy", 3)
    assert table.rows() == expected.rows()
    assert (experiment / "report" / "results.csv").is_file()
    assert {"verdicts.csv", "verdicts.tex", "numbers.csv", "alignment.csv"} <= first.keys()
    digest = Report(load([experiment])[0]).sweep.digest
    with Image.open(experiment / "report" / "figures" / "paper_training.png") as image:
        assert "n = 4 seeds; bootstrap 95% CI over seeds" in image.text["Description"]  # type: ignore[attr-defined]
        assert digest in image.text["Description"]  # type: ignore[attr-defined]

    run_report(monkeypatch, experiment)
    again = contents(experiment / "report")
    assert again == first  # to the last byte


def test_runs_conditions_and_outputs_are_found(experiment: Path) -> None:
    none = experiment / "mitigation=none-00000000"
    assert [c.seeds for c in conditions(none)] == [(0, 1, 2, 3)]
    runs = [none / "seed-0001", experiment / "mitigation=liminal-00000000" / "seed-0002"]
    assert [(c.name, c.seeds) for c in conditions(*runs)] == [("none", (1,)), ("liminal", (2,))]
    write_run(experiment.parent / "other", "mitigation=none", 5)
    assert sorted(sweep.name for sweep in load([experiment.parent])) == ["other", "paper"]
    (both,) = load([experiment.parent], together=True)
    assert [c.name for c in both.conditions] == ["none (other)", "none (paper)", "liminal"]


def test_missing_failed_and_damaged_runs_are_named(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = experiment / "mitigation=none-00000000"
    store.record_condition(none, "mitigation=none", [4, 5], config("none"))
    store.run_dir(none, 5).mkdir()
    (store.run_dir(none, 5) / store.FAILURE).write_text("it broke\n")
    parquet = none / "seed-0001" / "steps.parquet"
    parquet.write_bytes(parquet.read_bytes()[:500])
    (none / "seed-0002" / store.MARKER).write_text("{")
    (sweep,) = load([experiment])
    assert sweep.baseline.seeds == (0, 3)
    assert sweep.states() == {"failed": 1, "missing": 1, "damaged": 2}
    assert sweep.incomplete() == [
        "failed: mitigation=none-00000000, seed 5",
        "missing: mitigation=none-00000000, seed 4",
    ]
    assert run_report(monkeypatch, "--text", experiment) == 3
    out, err = capsys.readouterr()
    assert "missing: mitigation=none-00000000, seed 4" in out
    assert "2/6" in out
    assert re.search(r"left out: .*seed-0001/steps\.parquet: cannot be read", err)
    assert re.search(r"left out: .*seed-0002/summary\.json: cannot be read", err)
    assert "of 10 runs 1 failed, 1 missing, 2 damaged" in Report(sweep).caption
    assert not (experiment / "report").exists()


def test_the_terminal_shows_the_verdicts(
    experiment: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_report(monkeypatch, "--text", experiment) == 0
    shown = capsys.readouterr().out
    verdicts = Report(load([experiment])[0]).tables["Verdicts"]
    assert verdicts.height > 0
    for row in verdicts.iter_rows(named=True):
        line = re.escape(row["mean [95% CI]"]) + r"[^\n]*" + re.escape(row["verdict"])
        assert re.search(line, shown)


def test_without_argument_it_reports_on_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        ([], "outputs: no such folder; in .: there is empty"),
        (["empty"], "empty: no finished run below; train first"),
    ):
        assert run_report(monkeypatch, *arguments) == 2
        assert capsys.readouterr() == ("", f"error: {told}\n")
    write_experiment(tmp_path / "outputs" / "made")
    assert run_report(monkeypatch, "--text") == 0
    out = capsys.readouterr().out
    assert "made: mean [95% CI] over seeds" in out
    assert "verdict" not in out  # no sweep's file declares claims for this name


def test_a_seed_with_more_columns_is_read_whole(experiment: Path) -> None:
    file = experiment / "mitigation=none-00000000" / "seed-0003" / "epochs.parquet"
    pl.read_parquet(file, glob=False).with_columns(more=pl.lit(1.0)).write_parquet(file)
    none = conditions(experiment)[0]
    assert none.seeds == (0, 1, 2, 3)
    assert none.epochs["more"].null_count() == 9


def test_a_swept_number_has_a_dose_response(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, peak in enumerate((0.5, 1.0, 4.0)):
        named = {"liminal": {"_target_": "subliminal.mitigations.liminal.Liminal", "peak": peak}}
        for seed in (0, 1):
            settings = config("none") | {"mitigation": named}
            folder = f"peak-0000000{number}"
            write_run(tmp_path, f"peak={peak}", seed, folder=folder, settings=settings)
    report = Report(load([tmp_path])[0])
    assert [c.name for c in report.sweep.conditions] == ["peak=0.5", "peak=1", "peak=4"]
    monkeypatch.setattr(figures.style, "MOST_LINES", 2)  # the frontier joins more, without a label
    assert f"{report.sweep.name}_dose_peak.png" in figures.draw(report.sweep, tmp_path)
    assert report.question == "What changes with mitigation.liminal.peak (0.5, 1, 4)?"


def test_the_baseline_and_the_columns_can_be_chosen(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--baseline", "mitigation=liminal", "--columns", "p (Holm),n")
    assert run_report(monkeypatch, experiment, *words) == 0
    assert "differences to liminal" in capsys.readouterr().out
    table = (experiment / "report" / "results.tex").read_text(encoding="utf-8").splitlines()
    assert table[3] == r"condition & p (Holm) & n \\"
    for wrong, told in (
        (
            ("--baseline", "mitigation=anchor"),
            "not in paper; there varies mitigation: liminal, none",
        ),
        (("--columns", "p"), "--columns p: no such column; there is claim, statistic, "),
    ):
        assert run_report(monkeypatch, experiment, *wrong) == 2
        assert told in capsys.readouterr().err


def test_the_numbers_have_bounds_and_p(experiment: Path) -> None:
    (sweep,) = load([experiment])
    numbers = Report(sweep).numbers
    assert {"distill/loss", "trait/accuracy"} <= {*numbers["metric"]}
    (row,) = numbers.filter(pl.col("p").is_not_null()).iter_rows(named=True)
    assert row["metric"] == DIFFERENCE
    assert row["low"] < row["mean"] < row["high"]
    assert row["mean"] == pytest.approx(-0.175)
    assert row["p"] == 2 / 2**4  # four differences of one sign
    assert "−" not in numbers.write_csv() + Report(sweep).tables["Results"].write_csv()


def test_one_condition_has_no_differences(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = experiment / "mitigation=none-00000000"
    assert run_report(monkeypatch, one, "--text") == 0
    assert "difference" not in capsys.readouterr().out
    report = Report(load([one])[0])
    assert "paired difference" not in report.tables["Results"].columns
    assert "Differences" not in report.caption


def test_a_report_is_written_whole_or_not_at_all(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = experiment / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subliminal.report.html.page_data", None)  # a fault in the last file
        for _ in range(2):  # without a report, then with an old one
            before = contents(place)
            monkeypatch.setattr("sys.argv", ["report", str(experiment)])
            with pytest.raises(TypeError):
                main()
            assert contents(place) == before
            place.mkdir(exist_ok=True)
            (place / "results.md").write_text("old")
    assert run_report(monkeypatch, experiment) == 0
    assert (place / "results.md").read_text() != "old"
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("held", ["", "mitigation=none-00000000", "..", "../paper/.."])
def test_together_writes_to_no_folder_of_runs(
    experiment: Path, held: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(experiment.parent)
    monkeypatch.chdir(experiment.parent)
    assert run_report(monkeypatch, "--together", experiment / held) == 2
    assert "it holds runs (mitigation=" in capsys.readouterr().err
    assert contents(experiment.parent) == before
    assert run_report(monkeypatch, "--together", "both", experiment, experiment) == 0
    assert run_report(monkeypatch, "--together", "both", experiment) == 0  # its own, again
