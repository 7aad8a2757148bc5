"""The plan that a sweep prints before it starts."""

from pathlib import Path

import pytest

from subliminal.sweep.plan import Condition, show


def test_the_plan_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "distill.init.own=[layer1,layer2]"
    show([Condition(name, {Path("seed-0000"): "finished"})], force=False, resume=True)
    assert name in capsys.readouterr().err
