"""The command that lists, shows and compares runs, on a small store of real ones."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tracked_run import Tracked

from subliminal import store
from subliminal.commands.runs import flatten, main
from subliminal.errors import UserError
from subliminal.report.sparkline import sparkline
from subliminal.store import inventory


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


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str | Path
) -> tuple[int, str, str]:
    """Run the command line; return its exit status and what it printed."""
    monkeypatch.setattr(sys, "argv", ["runs", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def liminal(outputs: Path) -> Path:
    (folder,) = (path for path in (outputs / "main").glob("mitigation=liminal-*"))
    return folder


def finished(outputs: Path) -> list[Path]:
    return list(store.finished_runs(outputs / "main"))


def test_the_list_tells_done_and_total(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, error = run(monkeypatch, capsys, "--outputs", outputs)
    assert (code, error) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    rows = [row for row in rows if row and row[0] == "main"]
    assert [row[:3] for row in rows] == [
        ["main", "mitigation=liminal", "2/2"],
        ["main", "mitigation=none", "0/3, 1 failed, 1 partial, 1 missing"],
    ]
    done = [store.read_summary(path)["results"]["trait/accuracy"] for path in finished(outputs)]
    assert rows[0][4] == f"{np.mean(done):.3f} ± {np.std(done, ddof=1):.3f}"
    assert rows[1][4] == ""


def test_json_holds_the_means(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = run(monkeypatch, capsys, "list", "--json", "--outputs", outputs)
    finished, other = json.loads(text)
    results = [
        store.read_summary(path)["results"] for path in store.finished_runs(outputs / "main")
    ]
    accuracies = [result["trait/accuracy"] for result in results]
    assert finished["trait/accuracy"] == pytest.approx(sum(accuracies) / 2)
    steps = [
        pl.read_parquet(path / "steps.parquet") for path in store.finished_runs(outputs / "main")
    ]
    alignment = [table["alignment/cosine"].mean() for table in steps]
    assert finished["alignment/cosine"] == pytest.approx(pl.Series(alignment).mean())
    assert other["trait/accuracy"] is None
    assert other["states"] == {"failed": 1, "partial": 1, "missing": 1}
    assert code == 0


def test_a_damaged_run_is_named_and_the_rest_is_listed(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = store.run_dir(liminal(outputs), 3) / store.MARKER
    broken.write_text("{half")
    code, text, error = run(monkeypatch, capsys, "--outputs", outputs)
    assert code == 1
    assert str(broken) in error
    assert error.count("\n") == 1
    assert "mitigation=none" in text


def test_strangers_files_hide_nothing(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(monkeypatch, capsys, "--outputs", outputs)
    for folder in (outputs, outputs / "main", liminal(outputs), finished(outputs)[0]):
        (folder / ".DS_Store").write_bytes(b"\0\xff")
        (folder / "seed-0000.bak").mkdir()
        (folder / "seed-0001~").write_text("")
    shutil.copytree(finished(outputs)[0], liminal(outputs) / "seed-0003 (copy)")
    assert run(monkeypatch, capsys, "--outputs", outputs) == before


@pytest.mark.parametrize("content", ["[]", "null", '{"seeds": 3}', '{"seeds": ["a"]}', "{half"])
def test_a_damaged_condition_is_named_and_its_runs_are_listed(
    outputs: Path,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = liminal(outputs) / store.CONDITION
    record.write_text(content)
    code, text, error = run(monkeypatch, capsys, "--outputs", outputs)
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"damaged: {record}: ")
    assert "2/2" in text


@pytest.mark.parametrize("name", ["summary.json", "config.yaml", "steps.parquet"])
@pytest.mark.parametrize("content", [b"[]", b"\xff", b"x: [", b""])
def test_a_damaged_run_is_shown_as_one_line(
    outputs: Path,
    name: str,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (store.run_dir(liminal(outputs), 3) / name).write_bytes(content)
    code, _, error = run(monkeypatch, capsys, "show", "liminal/3", "--outputs", outputs)
    if not (name == "config.yaml" and content in (b"[]", b"")):  # YAML, and nothing in it
        assert (code, error.count("\n")) == (2, 1)
        assert name in error


def test_experiments_lie_at_any_depth(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(outputs / "main", outputs / "a" / "b" / "c")
    code, text, _ = run(monkeypatch, capsys, "--json", "--outputs", outputs)
    assert code == 0
    assert [row["experiment"] for row in json.loads(text)] == ["a/b/c", "a/b/c", "main", "main"]
    found = outputs / "a" / "b" / "c" / liminal(outputs).name
    for name in ("a/b/c/liminal/3", "b/c/liminal/3", "c/liminal/seed-0003"):
        assert inventory.find(outputs, name).parent == found


@pytest.mark.parametrize("name", ["main/liminal/3", "liminal/3", "3", "mai/limi/seed-0003"])
def test_a_run_is_named_by_a_unique_part(outputs: Path, name: str) -> None:
    assert inventory.find(outputs, name) == store.run_dir(liminal(outputs), 3)


def test_a_run_is_named_by_its_folder(outputs: Path) -> None:
    folder = store.run_dir(liminal(outputs), 4)
    assert inventory.find(Path("nowhere"), str(folder)) == folder


def test_a_whole_name_wins_over_a_part_of_others(outputs: Path) -> None:
    longer = outputs / "main" / "mitigation=liminal,optim=sgd-89abcdef"
    shutil.copytree(liminal(outputs), longer)
    store.record_condition(longer, "mitigation=liminal,optim=sgd", [3, 4], {"name": "main"})
    assert inventory.find(outputs, "mitigation=liminal/3").parent == liminal(outputs)
    assert inventory.find(outputs, "sgd/3").parent == longer


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("main/liminal/9", "no such run"),
        ("main/none/2", "no such run"),  # asked for, never begun
        ("liminal", "neither a run's folder nor"),
        ("a/b/c/3", "no such run"),
    ],
)
def test_a_bad_name_is_one_line(
    outputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    told: str,
) -> None:
    code, text, error = run(monkeypatch, capsys, "show", name, "--outputs", outputs)
    assert (code, text) == (2, "")
    assert told in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_several_runs_are_named(outputs: Path) -> None:
    shutil.copytree(outputs / "main", outputs / "again")
    with pytest.raises(UserError, match=r"several runs are meant: again/.*, main/"):
        inventory.find(outputs, "liminal/3")


def test_no_folder_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, error = run(monkeypatch, capsys, "--outputs", tmp_path / "none")
    assert code == 2
    assert "no such folder" in error


def test_show_prints_config_environment_and_curves(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = run(monkeypatch, capsys, "show", "liminal/3", "--outputs", outputs)
    assert code == 0
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "critical" not in lines["mitigation.liminal.schedule"]
    assert "linear_decay" in lines["mitigation.liminal.schedule"]
    assert "packages.torch" in lines
    steps = pl.read_parquet(store.run_dir(liminal(outputs), 3) / "steps.parquet")
    values = steps["alignment/cosine"].drop_nulls().to_list()
    assert sparkline(values, width=40) in lines["alignment/cosine"]
    assert f"{values[-1]:.4g}" in lines["alignment/cosine"]


def test_show_tells_of_a_run_that_is_not_finished(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = run(monkeypatch, capsys, "show", "none/0", "--outputs", outputs)
    assert code == 0
    assert ": failed" in text


def test_diff_prints_what_differs_and_nothing_else(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["diff", "liminal/3", "liminal/4", "--json", "--outputs", str(outputs)]
    code, text, _ = run(monkeypatch, capsys, *words)
    found = json.loads(text)
    assert code == 0
    assert found["config"] == {"seed.spec": ["3", "4"]}
    a, b = (store.read_summary(store.run_dir(liminal(outputs), s))["results"] for s in (3, 4))
    assert found["result"] == {key: [a[key], b[key]] for key in a if a[key] != b[key]}
    assert found["environment"] == {}
    code, text, _ = run(monkeypatch, capsys, *(word for word in words if word != "--json"))
    assert "seed.spec" in text
    assert "environment: no difference" in text


def test_it_starts_without_torch(outputs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "subliminal", "runs", "--outputs", outputs],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "subliminal.store.inventory" in imported
    assert imported & {"torch", "wandb", "matplotlib", "scipy"} == set()


def test_flatten_by_hand() -> None:
    tree: dict[str, Any] = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}], "f": None}
    assert flatten(tree) == {"a.b": 1, "a.c": {}, "d": [1, {"e": 2}], "f": None}
