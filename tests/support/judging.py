"""Defences judged on the small data set, where the trait leaks; undefended runs are shared."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
import small

if TYPE_CHECKING:
    from subliminal.judge.battery import Defence
    from subliminal.judge.scorecard import Scorecard

Of: TypeAlias = "Callable[..., Defence]"
Judged: TypeAlias = "Callable[..., Scorecard]"


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judge") / "outputs"


@pytest.fixture(scope="session")
def of(outputs: Path) -> Of:
    """Makes a defence on the small data set."""
    from subliminal.judge.battery import Defence  # for tests that need it alone

    def defence(
        *overrides: str, seed: str = "0-7", folder: Path = outputs, config_dir: Path | None = None
    ) -> "Defence":
        engine = ("engine.workers=1", "engine.seeds_at_once=8", "tracker=none")
        own = (*small.LEAKING, *engine, f"outputs={folder}", f"seed={seed}")
        return Defence(overrides, own, config_dir)

    return defence


@pytest.fixture(scope="session")
def judged(of: Of) -> Judged:
    """Judges a defence in settings, each once; on seeds of its own only if `secret`."""
    return judging(of, full=True)


@pytest.fixture(scope="session")
def judged_at_full_size(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Judges a defence in the reference setting itself, on three seeds."""
    from subliminal.judge.battery import Defence

    folder = tmp_path_factory.mktemp("reference")
    own = ("engine.workers=1", "tracker=none", f"outputs={folder}", "seed=9000-9002")
    return judging(lambda *overrides: Defence(overrides, own), quick=True)


def judging(of: Of, **how: bool) -> Judged:
    """Return what judges a defence, each once; `how` is given to the judge."""
    from subliminal.judge.battery import battery
    from subliminal.judge.evaluation import Evaluation, judge
    from subliminal.judge.rooms import Rooms
    from subliminal.judge.track import track_of
    from subliminal.sweep.console import Console

    @cache
    def card(
        *overrides: str, settings: tuple[str, ...] = ("reference",), secret: bool = False
    ) -> "Scorecard":
        defence, rooms = of(*overrides), Rooms()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("SUBLIMINAL_PLUGINS", "small,jobs,plants")
            if not secret:
                patched.setattr(Evaluation, "add_secret", lambda _: None)
            tried = battery(defence, settings)
            track = track_of(tried, rooms)
            return judge(defence, tried, rooms, Console(), track=track, **how)

    return card
