"""The results on the audit's page are those of its data file."""

import shutil
from pathlib import Path

import audit_page
import numpy as np

from subliminal.config.resources import ROOT


def test_a_bare_clone_writes_the_committed_page(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("audit.md", "data/audit.csv"):
        shutil.copy(ROOT / "docs" / name, tmp_path / name)
    audit_page.write(None, tmp_path / "audit.md")
    assert (tmp_path / "audit.md").read_bytes() == (ROOT / "docs" / "audit.md").read_bytes()


def test_a_forecast_covers_what_it_says() -> None:
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.uniform(-5, -1, size=(400, 12)))
    noisy = 0.6 + 0.08 * np.log(sizes) + 0.02 * generator.normal(size=sizes.shape)
    ends = [
        audit_page.forecast(x[1:], y[1:], float(x[0])) for x, y in zip(sizes, noisy, strict=True)
    ]
    covered = [low <= y[0] <= high for y, (_, low, high) in zip(noisy, ends, strict=True)]
    assert 0.92 <= np.mean(covered) <= 0.98
