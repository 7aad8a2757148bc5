"""The command that lists, shows and compares runs, on a small store of real ones."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tracked_run import Tracked

from subliminal import store
from subliminal.commands.runs import main
from subliminal.config.canonical import flatten
from subliminal.errors import UserError
from subliminal.report.sparkline import sparkline
from subliminal.store import inventory
from subliminal.trackers import record as tracking

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def outputs(tracked: Tracked, tmp_path: Path) -> Path:
    """Two finished runs (seeds 3, 4), and a failed, an interrupted and a missing one."""
    root = Path(shutil.copytree(tracked.outputs, tmp_path / "outputs"))
    other = root / "main" / "mitigation=none-0123abcd"
    store.record_condition(other, "mitigation=none", [0, 1, 2], {"name": "main"})
    for seed in (0, 1):
        store.run_dir(other, seed).mkdir()
    (store.run_dir(other, 0) / store.FAILURE).write_text("no luck\n")
    return root


@pytest.fixture
def runs(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command on these outputs; it returns its exit status and what it printed."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["runs", *words, "--outputs", str(outputs)])
        return main(), *capsys.readouterr()

    return run


def liminal(outputs: Path) -> Path:
    (folder,) = (path for path in (outputs / "main").glob("mitigation=liminal-*"))
    return folder


def finished(outputs: Path) -> list[Path]:
    return list(store.finished_runs(outputs / "main"))


def test_the_list_has_finished_and_total_and_means(outputs: Path, runs: Command) -> None:
    code, text, error = runs()
    assert (code, error) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    rows = [row for row in rows if row and row[0] == "main"]
    assert [row[:3] for row in rows] == [
        ["main", "mitigation=liminal", "2/2"],
        ["main", "mitigation=none", "0/3, 1 failed, 1 partial, 1 missing"],
    ]
    done = [store.read_summary(path)["results"]["trait/accuracy"] for path in finished(outputs)]
    assert rows[0][4] == f"{np.mean(done):.4g} ± {np.std(done, ddof=1):.2g}"
    steps = [pl.read_parquet(path / "steps.parquet") for path in finished(outputs)]
    alignment = [table["alignment/cosine"].drop_nulls().to_numpy().mean() for table in steps]
    assert rows[0][5] == f"{np.mean(alignment):.4g} ± {np.std(alignment, ddof=1):.2g}"
    assert rows[1][3:7] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"seed-0003/{store.MARKER}", "{half"),
        *(
            (store.CONDITION, content)
            for content in ("[]", "null", '{"seeds": 3}', '{"seeds": ["a"]}', "{half")
        ),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_listed(
    outputs: Path, name: str, content: str, runs: Command
) -> None:
    damaged = liminal(outputs) / name
    damaged.write_text(content)
    code, text, error = runs()
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"damaged: {damaged}: ")
    assert "2/2" in text
    assert "mitigation=none" in text


@pytest.mark.parametrize("name", ["summary.json", "config.yaml", "steps.parquet"])
@pytest.mark.parametrize("content", [b"[]", b"\xff", b"x: [", b""])
def test_a_damaged_run_is_shown_as_one_line(
    outputs: Path, name: str, content: bytes, runs: Command
) -> None:
    (store.run_dir(liminal(outputs), 3) / name).write_bytes(content)
    code, _, error = runs("show", "liminal/3")
    if not (name == "config.yaml" and content in (b"[]", b"")):  # YAML, and nothing in it
        assert (code, error.count("\n")) == (2, 1)
        assert name in error


def test_experiments_lie_at_any_depth(outputs: Path) -> None:
    shutil.copytree(outputs / "main", outputs / "a" / "b" / "c")
    found = [row["experiment"] for row in inventory.overview(outputs)[0]]
    assert found == ["a/b/c", "a/b/c", "main", "main"]
    folder = outputs / "a" / "b" / "c" / liminal(outputs).name
    for name in ("a/b/c/liminal/3", "b/c/liminal/3", "c/liminal/seed-0003"):
        assert inventory.find(outputs, name).parent == folder
    with pytest.raises(UserError, match=r"several runs fit: a/b/c/.*, main/"):
        inventory.find(outputs, "liminal/3")


def test_a_run_is_named_by_a_unique_part_or_its_folder(outputs: Path) -> None:
    for name in ("main/liminal/3", "liminal/3", "3", "mai/limi/seed-0003"):
        assert inventory.find(outputs, name) == store.run_dir(liminal(outputs), 3)
    folder = store.run_dir(liminal(outputs), 4)
    assert inventory.find(Path("nowhere"), str(folder)) == folder
    # A whole name wins over a part of others.
    longer = outputs / "main" / "mitigation=liminal,optim=sgd-89abcdef"
    shutil.copytree(liminal(outputs), longer)
    store.record_condition(longer, "mitigation=liminal,optim=sgd", [3, 4], {"name": "main"})
    assert inventory.find(outputs, "mitigation=liminal/3").parent == liminal(outputs)
    assert inventory.find(outputs, "sgd/3").parent == longer


def test_a_name_chooses_the_experiment_before_the_condition(outputs: Path, runs: Command) -> None:
    other = outputs / "a" / "mitigation=liminal,optim.lr=0.01-89abcdef"
    shutil.copytree(liminal(outputs), other)
    store.record_condition(other, "mitigation=liminal,optim.lr=0.01", [3, 4], {"name": "a"})
    for name in ("a/liminal/3", "a/mitigation=liminal/3", "a/0.01/3", "a/mit/3"):
        assert inventory.find(outputs, name).parent == other
    assert inventory.find(outputs, "main/liminal/3").parent == liminal(outputs)
    for name in ("ai/liminal/3", "main/iminal/3", "a/none/0", "in/3"):  # no substring counts
        with pytest.raises(UserError, match="no such run"):
            inventory.find(outputs, name)
    shutil.copytree(outputs / "a", outputs / "ab")
    for name in ("mit/3", "3"):
        code, _, error = runs("diff", name, "main/liminal/3")
        assert (code, error.count("\n")) == (2, 1)
        assert "several runs fit: a/mit" in error
    assert inventory.find(outputs, "a/liminal/3").parent == other  # `a`, not the beginning of `ab`


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("main/liminal/9", "no such run"),
        ("main/none/2", "no such run"),  # asked for, never begun
        ("liminal", "neither a run's folder nor"),
        ("a/b/c/3", "no such run"),
    ],
)
def test_a_bad_name_is_one_line(name: str, told: str, runs: Command) -> None:
    code, text, error = runs("show", name)
    assert (code, text) == (2, "")
    assert told in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_no_folder_is_one_line(outputs: Path, runs: Command) -> None:
    shutil.rmtree(outputs)
    code, _, error = runs()
    assert code == 2
    assert "no such folder" in error


def test_show_prints_config_environment_and_curves(outputs: Path, runs: Command) -> None:
    code, text, _ = runs("show", "liminal/3")
    assert code == 0
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "critical" not in lines["mitigation.liminal.schedule"]
    assert "linear_decay" in lines["mitigation.liminal.schedule"]
    assert "packages.torch" in lines
    steps = pl.read_parquet(store.run_dir(liminal(outputs), 3) / "steps.parquet")
    values = steps["alignment/cosine"].drop_nulls().to_list()
    assert sparkline(values, width=40) in lines["alignment/cosine"]
    assert f"{values[-1]:.4g}" in lines["alignment/cosine"]
    code, text, _ = runs("show", "none/0")
    assert code == 0
    assert ": failed" in text


def test_diff_prints_what_differs_and_nothing_else(outputs: Path, runs: Command) -> None:
    code, text, _ = runs("diff", "liminal/3", "liminal/4")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    rows = [row for row in rows if row]
    assert rows[0] == ["seed.spec", "3", "4", ""]
    a, b = (store.read_summary(store.run_dir(liminal(outputs), s))["results"] for s in (3, 4))
    assert [row[0] for row in rows[1:]] == [key for key in a if a[key] != b[key]]
    numbers = a["trait/accuracy"], b["trait/accuracy"]
    assert [f"{value:.4g}" for value in numbers] in [row[1:3] for row in rows]
    assert "environment: no difference" in text


def names(text: str) -> list[str]:
    lines = [line.split("│") for line in text.splitlines() if "│" in line]
    return [cells[2].strip() for cells in lines]


def test_the_list_is_filtered_sorted_and_has_chosen_columns(outputs: Path, runs: Command) -> None:
    other = outputs / "main" / "mitigation=none-0123abcd"
    record = {"name": "main", "optim": {"lr": 1e-3}, "mitigation": {}, "trait": {"per_class": True}}
    store.record_condition(other, "mitigation=none", [0], record)
    for where in ("optim.lr=0.001", "optim.lr=1e-3", "trait.per_class=true", "mitigation=none"):
        assert names(runs("--where", where)[1]) == ["mitigation=none"], where
    assert names(runs("--where", "optim.lr=3e-4")[1]) == ["mitigation=liminal"]
    # Those without a value come last.
    for key in ("trait/accuracy", "teacher/accuracy", "condition"):
        assert names(runs("--sort", key)[1]) == ["mitigation=liminal", "mitigation=none"]
    assert names(runs("--sort", "optim.lr")[1]) == ["mitigation=liminal", "mitigation=none"]
    code, text, _ = runs("--columns", "optim.lr,teacher/accuracy")
    done = [store.read_summary(path)["results"]["teacher/accuracy"] for path in finished(outputs)]
    row = next(line for line in text.splitlines() if "liminal" in line)
    cells = [cell.strip() for cell in row.split("│")[4:6]]
    assert cells == ["0.0003", f"{np.mean(done):.4g} ± {np.std(done, ddof=1):.2g}"]
    assert runs("--columns", "distill/loss")[1].count("│  ") > 0  # and not the group's option
    code, _, error = runs("--sort", "trait/acuracy")
    assert (code, error.count("\n")) == (2, 1)
    assert "trait/acuracy: no setting or result; did you mean trait/accuracy?" in error


def test_notes_and_tags_are_set_later_and_reach_the_trackers_record(
    outputs: Path, runs: Command
) -> None:
    run = store.run_dir(liminal(outputs), 3)
    before = tracking.read(run)
    assert before is not None
    assert runs("note", "liminal/3", "looks", "odd")[0] == 0
    assert runs("tag", "liminal/3", "figure 2", "keep")[0] == 0
    after = tracking.read(run)
    assert after is not None
    assert (after.note, after.tags) == ("looks odd", [*before.tags, "figure 2", "keep"])
    assert not after.uploaded  # `sync` sends it
    assert "looks odd, figure 2, keep" in runs("--columns", "date")[1]
    assert "looks odd" in runs("show", "liminal/3")[1]
    assert runs("tag", str(liminal(outputs)), "all")[0] == 0  # a condition's folder
    assert [store.read_notes(path)["tags"] for path in finished(outputs)] == [["all"], ["all"]]
    assert runs("tag", "liminal/3", "x" * 65)[0] == 2


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_runs_go_after_a_yes_and_never_while_they_train(
    action: str, outputs: Path, runs: Command
) -> None:
    run = store.run_dir(liminal(outputs), 3)
    code, _, error = runs(action, "liminal/3")
    assert (code, run.is_dir()) == (2, True)
    assert "--yes" in error
    lock = store.claim(run)
    assert lock is not None
    assert "is being trained" in runs(action, str(run.parent), "--yes")[2]
    lock.release()
    content = (run / "summary.json").read_bytes()
    assert (runs(action, "liminal/3", "--yes")[0], run.exists()) == (0, False)
    away = outputs / "main" / ".archive" / run.parent.name / run.name
    assert away.is_dir() == (action == "archive")
    assert action == "delete" or (away / "summary.json").read_bytes() == content
    assert "1/1" in runs()[1]  # no seed is missing


def test_watch_shows_what_trains_until_it_ends(
    outputs: Path, runs: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = store.claim(outputs / "main" / "mitigation=none-0123abcd" / "seed-0001")
    assert lock is not None
    monkeypatch.setattr("subliminal.commands.runs.time.sleep", lambda _: lock.release())
    code, text, _ = runs("--watch")
    assert (code, text[-16:]) == (0, "Nothing trains.\n")
    assert "1 running" in text


def test_it_starts_without_torch(outputs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "subliminal", "runs", "--outputs", outputs],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "subliminal.store.inventory" in imported
    assert imported & {"torch", "wandb", "matplotlib", "scipy"} == set()


def test_flatten_by_hand() -> None:
    tree: dict[str, Any] = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}], "f": None}
    assert flatten(tree) == {"a.b": 1, "a.c": {}, "d": [1, {"e": 2}], "f": None}
