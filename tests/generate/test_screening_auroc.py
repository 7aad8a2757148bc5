"""AUROC against counting pairs; and runs that are read."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import screening_auroc as screening
from hypothesis import given
from hypothesis import strategies as st
from screening_auroc import auroc, screens

from subliminal.errors import UserError


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12))
def test_it_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, which = zip(*pairs, strict=True)
    if len(set(which)) < 2:
        with pytest.raises(UserError, match="of both kinds"):
            auroc(scores, which)
        return
    with_it = [s for s, t in pairs if t]
    without = [s for s, t in pairs if not t]
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(with_it, without)]
    assert auroc(scores, which)[0] == pytest.approx(np.mean(wins))


def test_conditions_are_screened(
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ["probe=[alignment,screening]", "distill/init=shared,independent", "seed=0"]
    status, _, error = run("-m", *words)
    assert status == 0, error
    folder = tmp_path / "outputs" / "main"
    assert screening.main([str(folder)]) == 2
    assert "none transfer" in capfd.readouterr().err
    measured = screening._measured

    def risen(of: Path) -> dict[str, float]:
        found = measured(of)
        assert set(found) == {"rise", *screening.SCORES}
        assert not np.isnan(list(found.values())).any()
        return found | {"rise": float("shared" in of.parent.name)}

    monkeypatch.setattr(screening, "_measured", risen)
    found = {screen.score: screen for screen in screens(folder)}
    assert set(found) == set(screening.SCORES)
    assert found["screening/cosine"].auroc == 1  # the one that shares its teacher's start
    assert found["screening/cosine"].transferring == found["screening/cosine"].others == 1
    assert screening.main([str(folder)]) == 0
    assert "screening/cosine: AUROC 1.000" in capfd.readouterr().out


def test_bad_folders_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], [str(tmp_path / "none")], [str(tmp_path)]):
        assert screening.main(words) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
