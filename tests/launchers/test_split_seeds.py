"""The seeds of a condition may be split over jobs: its runs and report show no trace of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import same_sweep

SECONDS = re.compile(r"a student took [\d.–]+ s")


@pytest.mark.slow
def test_a_split_sweep_gives_the_report_of_an_unsplit_one(tmp_path: Path) -> None:
    pages = {}
    for name, seeds in {"whole": "0-3", "split": "0-1,2-3", "backwards": "3,1-2,0"}.items():
        outputs = tmp_path / name / "outputs"
        done = same_sweep.run(outputs, f"seed={seeds}")
        assert done.returncode == 0, done.stderr
        subprocess.run(
            [sys.executable, "-m", "subliminal.report", "outputs/main"],
            cwd=outputs.parent,
            check=True,
            capture_output=True,
        )
        report = outputs / "main" / "report"
        texts = {path.name: path.read_text() for path in report.rglob("*") if _is_text(path)}
        assert texts
        pages[name] = {file: SECONDS.sub("a student", text) for file, text in texts.items()}
    assert pages["split"] == pages["whole"]
    assert pages["backwards"] == pages["whole"]
    runs = [same_sweep.results(tmp_path / name / "outputs") for name in pages]
    assert runs[0] == runs[1] == runs[2]


def _is_text(path: Path) -> bool:
    return path.suffix in (".csv", ".md", ".tex")
