"""What `--help` prints: one screen first, then groups, options, metrics, and all keys."""

from collections.abc import Callable
from pathlib import Path

import pytest

from subliminal import metrics
from subliminal.config.groups import options
from subliminal.config.help import help_on
from subliminal.errors import UserError


def test_the_first_screen_is_one_screen() -> None:
    lines = str(help_on(["--help"])).splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("  distill/loss     kl, mse") for line in lines)
    assert any("optim.lr=0.0003" in line for line in lines)


def test_a_group_has_a_line_for_each_option(tmp_path: Path) -> None:
    (tmp_path / "mitigation").mkdir()
    (tmp_path / "mitigation" / "mine.yaml").write_text("# @package mitigation.mine\n# Mine. So.\n")
    head, *lines = str(help_on(["mitigation", "--help", f"--config-dir={tmp_path}"])).splitlines()
    assert head == "mitigation=…"
    assert [line.split()[0] for line in lines] == [*options()["mitigation"], "mine"]
    assert lines[-1] == "  mine                     Mine."
    assert max(map(len, lines)) <= 100
    assert "noise2026/cnn" in str(help_on(["--help", "sweep"]))


def test_words_are_groups_options_or_the_metrics() -> None:
    assert help_on(["distill/inputs=mix"]) is None  # without --help
    assert help_on(["--help", "optim.lr=0.1", "seed=7"]) is None  # which Hydra shows
    assert help_on(["--help", "all"]) is None
    two = str(help_on(["--help", "mitigation=[liminal,l1]"]))
    assert two.startswith("`mitigation=liminal`\n")
    assert "\n`mitigation=l1`\n" in two
    with pytest.raises(UserError, match=r"--help distill/inputs=blured: no such option; .*blurred"):
        help_on(["--help", "distill/inputs=blured"])
    with pytest.raises(UserError, match=r"--help mitigatoin: no such group; .*mitigation.*metrics"):
        help_on(["--help", "mitigatoin"])


def test_every_metric_has_a_meaning_and_the_probe_that_logs_it() -> None:
    lines = str(help_on(["--help", "metrics"])).splitlines()[2:]
    assert {line.split()[0] for line in lines} == metrics.NAMES
    assert all(len(line.split()) > 1 for line in lines)
    told = {line.split()[0]: line for line in lines}
    assert told["alignment/cosine"].endswith(
        "cos(g_D, g_T), before any projection (probe=alignment)"
    )
    assert told["skill/teacher"].endswith("(probe=skill)")


def test_the_command_prints_it_and_trains_nothing(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    status, out, _ = run("distill/inputs=blurred", "--help")
    assert status == 0
    assert "`distill/inputs=blurred`\n\nGaussian noise, blurred" in out
    assert "- `sigma: float = 1.0`: standard deviation of the filter, pixels, > 0." in out
    status, out, _ = run("--help", "all", "optim.lr=0.5")
    assert (status, "\n  lr: 0.5\n" in out) == (0, True)
    status, _, err = run("--help", "distill/inputs=blured")
    assert (status, err.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []
