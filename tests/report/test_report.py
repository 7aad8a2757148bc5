"""The report on an experiment made by hand: two conditions, no training."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from subliminal import store
from subliminal.errors import UserError
from subliminal.report.__main__ import main
from subliminal.report.page import BEGIN, END, Report, insert
from subliminal.report.runs import load
from subliminal.report.tables import by_epoch, markdown, results

PER_EPOCH, EPOCHS = 20, 2
SEEDS = {"mitigation=liminal": (0, 1, 2, 3), "mitigation=none": (0, 1, 2, 3)}


def alignment(condition: str, seed: int) -> np.ndarray:
    draw = np.random.default_rng([len(condition), seed]).normal(size=PER_EPOCH * EPOCHS)
    return draw * 0.01 + (0.02 if condition == "mitigation=none" else 0.0)


def accuracy(condition: str, seed: int) -> list[float]:
    final = 0.5 + seed / 10 if condition == "mitigation=none" else 0.4 + seed / 20
    return [0.1, 0.3, final]


def write_run(experiment: Path, condition: str, seed: int, *, folder: str | None = None) -> None:
    directory = store.run_dir(experiment / (folder or f"{condition}-00000000"), seed)
    directory.mkdir(parents=True)
    steps = pl.DataFrame(
        {
            "seed": seed,
            "step": np.arange(PER_EPOCH * EPOCHS),
            "epoch": np.arange(PER_EPOCH * EPOCHS) / PER_EPOCH,
            "alignment/cosine": alignment(condition, seed),
            "update/alignment": alignment(condition, seed) * 2,
            "ledger/actual": -0.01,
            "ledger/predicted": -0.01,
            "ledger/actual_total": -0.01 * np.arange(1, PER_EPOCH * EPOCHS + 1),
            "ledger/predicted_total": -0.01 * np.arange(1, PER_EPOCH * EPOCHS + 1),
        }
    )
    means = alignment(condition, seed).reshape(EPOCHS, PER_EPOCH).mean(axis=1)
    ends = [PER_EPOCH * epoch for epoch in range(EPOCHS + 1)]
    student = pl.DataFrame(
        {
            "seed": seed,
            "phase": "student",
            "epoch": list(range(EPOCHS + 1)),
            "step": ends,
            "trait/accuracy": accuracy(condition, seed),
            "distill/loss": [None, 2e-4, 1e-4 * (seed + 1)],
            "alignment/cosine": [None, *means],
            "update/alignment": [None, *(2 * means)],
        }
    )
    teacher = pl.DataFrame(
        {
            "seed": seed,
            "phase": "teacher",
            "epoch": list(range(EPOCHS + 1)),
            "step": ends,
            "teacher/accuracy": [0.1, 0.8, 0.9 + seed / 100],
        }
    )
    steps.write_parquet(directory / "steps.parquet")
    pl.concat([teacher, student], how="diagonal").write_parquet(directory / "epochs.parquet")
    summary = {
        "seed": seed,
        "condition": condition,
        "device": "cpu",
        "threads": 1,
        "stack": 2,
        "seconds": {"student": 20.0 + 2 * seed},
        "environment": {
            "processor": "A Processor",
            "packages": {"torch": "2.9.0"},
            "git_commit": "0123456789abcdef",
        },
    }
    (directory / store.MARKER).write_text(json.dumps(summary))


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Two conditions of four seeds."""
    for condition, seeds in SEEDS.items():
        for seed in seeds:
            write_run(tmp_path / "made", condition, seed)
    return tmp_path / "made"


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
    main()


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_conditions_are_loaded_the_baseline_first(experiment: Path) -> None:
    none, liminal = load(experiment)
    assert (none.name, liminal.name) == ("mitigation=none", "mitigation=liminal")
    assert none.seeds == (0, 1, 2, 3)
    assert none.epochs["phase"].unique().to_list() == ["student"]
    assert none.teacher["phase"].unique().to_list() == ["teacher"]
    assert none.final("trait/accuracy") == pytest.approx({0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8})
    assert liminal.over_run("alignment/cosine") == pytest.approx(
        {seed: alignment("mitigation=liminal", seed).mean() for seed in range(4)}
    )


def test_a_curve_has_a_row_for_each_seed(experiment: Path) -> None:
    none = load(experiment)[0]
    x, values = none.curve(none.steps, "alignment/cosine")
    np.testing.assert_array_equal(x, np.arange(PER_EPOCH * EPOCHS) / PER_EPOCH)
    expected = np.stack([alignment("mitigation=none", seed) for seed in range(4)])
    np.testing.assert_array_equal(values, expected)


def test_a_curve_leaves_out_what_was_not_measured(experiment: Path) -> None:
    none = load(experiment)[0]
    x, values = none.curve(none.epochs, "alignment/cosine")
    np.testing.assert_array_equal(x, [1, 2])
    assert values.shape == (4, 2)


def test_unfinished_runs_are_not_read(experiment: Path) -> None:
    (experiment / "mitigation=none-00000000" / "seed-0002" / store.MARKER).unlink()
    assert load(experiment)[0].seeds == (0, 1, 3)


def test_two_conditions_of_one_name_are_refused(experiment: Path) -> None:
    write_run(experiment, "mitigation=none", 0, folder="mitigation=none-11111111")
    with pytest.raises(UserError, match="two conditions are called mitigation=none"):
        load(experiment)


def test_results_agree_with_numpy(experiment: Path) -> None:
    none, liminal = results(load(experiment)).iter_rows(named=True)
    final = {c: np.array([accuracy(c, s)[-1] for s in range(4)]) for c in SEEDS}
    for row, condition in ((none, "mitigation=none"), (liminal, "mitigation=liminal")):
        cosines = np.stack([alignment(condition, seed) for seed in range(4)])
        assert (row["condition"], row["n"]) == (condition, "4")
        assert row["trait accuracy"].startswith(f"{final[condition].mean():.3f} [")
        assert row["alignment"].startswith(f"{cosines.mean():.4f} [")
        assert row["positive steps"].startswith(f"{(cosines > 0).mean():.2f} [")
        assert row["distillation loss ×10⁴"].startswith("2.50 [")  # 1, 2, 3, 4
    assert none["paired difference"] == "–"
    difference = (final["mitigation=liminal"] - final["mitigation=none"]).mean()
    assert liminal["paired difference"].startswith(f"{difference:+.3f} [")


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, "mitigation=none", seed)
    for seed in (1, 3, 7):  # seed 7 has no partner
        write_run(tmp_path, "mitigation=liminal", seed)
    _, row = results(load(tmp_path)).iter_rows(named=True)
    # 0.45 - 0.6 and 0.55 - 0.8.
    assert row["paired difference"].startswith("-0.200 [")
    assert row["n"] == "3"


def test_no_common_seed_gives_no_difference(tmp_path: Path) -> None:
    write_run(tmp_path, "mitigation=none", 0)
    write_run(tmp_path, "mitigation=liminal", 1)
    _, row = results(load(tmp_path)).iter_rows(named=True)
    assert row["paired difference"] == "–"


def test_by_epoch_has_a_column_for_each_condition(experiment: Path) -> None:
    conditions = load(experiment)
    table = by_epoch(conditions, "trait/accuracy", 3)
    assert table.columns == ["epoch", "mitigation=none", "mitigation=liminal"]
    assert table["epoch"].to_list() == ["0", "1", "2"]
    assert table["mitigation=none"][2].startswith("0.650 [")
    assert by_epoch(conditions, "alignment/cosine", 4)["epoch"].to_list() == ["1", "2"]
    assert by_epoch(conditions, "no/metric", 4).height == 0


def test_markdown_by_hand() -> None:
    table = pl.DataFrame({"a": ["1", "2"], "b": ["x", "y"]})
    assert markdown(table) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"


def test_caption_and_provenance(experiment: Path) -> None:
    report = Report.of(experiment)
    assert "n = 4 seeds" in report.caption
    assert report.teacher.startswith("0.915 [")  # 0.90 … 0.93
    assert report.made_with == (
        "Made on A Processor (cpu, 1 thread per process) with torch 2.9.0, commit 0123456789ab; "
        "a student took 10–13 s."
    )


def test_the_command_writes_tables_figures_and_page(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main(monkeypatch, experiment)
    first = contents(experiment / "report")
    out = capsys.readouterr().out
    assert "mitigation=liminal" in out
    assert f"Files: {experiment / 'report'}" in out
    figures = [
        f"figures/made_{name}.{suffix}"
        for name in ("training", "accuracy", "ledger")
        for suffix in ("png", "pdf")
    ]
    for figure in figures:
        magic = b"\x89PNG" if figure.endswith("png") else b"%PDF"
        assert first[figure].startswith(magic)
        assert len(first[figure]) > 5000
    page = first["results.md"].decode()
    assert all(f"]({figure})" in page for figure in figures if figure.endswith("png"))

    table = pl.read_csv(experiment / "report" / "trait_accuracy.csv", infer_schema=False)
    expected = by_epoch(load(experiment), "trait/accuracy", 3)
    assert table.rows() == expected.rows()
    assert (experiment / "report" / "results.csv").is_file()
    assert {"verdicts.csv", "trait_accuracy.csv", "alignment.csv"} <= first.keys()

    run_main(monkeypatch, experiment)
    again = contents(experiment / "report")
    assert again == first  # to the last byte


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_runs_ends_with_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: bool,
) -> None:
    folder = tmp_path / "nothing"
    if made:
        folder.mkdir()
    with pytest.raises(SystemExit) as ended:
        run_main(monkeypatch, folder)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {folder}: no finished run below; train first\n"


def test_the_readme_changes_between_the_markers_alone(experiment: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    before, after = "# Title – ü\n\ntext\n\n", "\n\nmore\n"
    readme.write_text(f"{before}{BEGIN}\nlast report\n{END}{after}", encoding="utf-8")
    report = Report.of(experiment)
    insert(report, readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(before + BEGIN)
    assert text.endswith(END + after)
    assert "last report" not in text
    assert markdown(report.tables["Results"]) in text
    figure = "docs/figures/made_training.png"
    assert f"]({figure})" in text
    assert (tmp_path / figure).is_file()
    insert(report, readme)
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", "text", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_readme_without_markers_is_left_alone(
    experiment: Path, tmp_path: Path, text: str
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(UserError, match=r"README\.md: the lines .* are needed"):
        insert(Report.of(experiment), readme)
    assert readme.read_text() == text
