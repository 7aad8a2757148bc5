"""Completion: names as Hydra has them, and answers in the shells themselves."""

import os
import pty
import re
import resource
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from subliminal.config import completion
from subliminal.config.canonical import flatten
from subliminal.config.groups import composed
from subliminal.config.resources import COMPLETIONS, CONF
from subliminal.errors import UserError

# Echoes its arguments; asked for a completion, it is the program.
STUB = """#!/bin/sh
case "$*" in *--complete*) [ "$1" = -m ] && shift 2; exec '{python}' -m subliminal "$@";; esac
for word in "$@"; do printf '<%s>' "$word"; done
"""
SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["-N", "-i"]}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["mitigation=[liminal,projection]", "probe=off", "optim@teacher.optim=matched/sgd"],
        ["distill=lora", "model=resnet", "teacher=steered", "distill/init@teacher.init=layers"],
        ["threat=wide_network", "model@distill.model=cnn", "teacher/task=two_skills"],
        ["distill/targets=mixture", "distill/inputs=mix", "tracker=none", "seed=paper"],
    ],
)
def test_the_keys_are_those_that_hydra_composes(
    words: list[str], compose: Callable[[list[str]], DictConfig]
) -> None:
    expected = flatten(OmegaConf.to_container(compose(words), resolve=False))
    found = {k: v for k, v in composed([CONF], words)[0].items() if k[:6] != "hydra."}
    # The schema adds keys that have no value in conf/, and a source of its own the seeds.
    there = {key for key in expected if expected[key] not in (None, {}, [], False)}
    assert there - found.keys() <= {"seed.spec", "threat.trait"}
    shared = found.keys() & expected
    assert {key: found[key] for key in shared} == {key: expected[key] for key in shared}


def test_each_place_of_a_line_has_its_answers(tmp_path: Path) -> None:
    (tmp_path / "mitigation").mkdir()
    (tmp_path / "mitigation" / "mine.yaml").write_text("# @package mitigation.mine\nforce: 1\n")
    for line, expected in {
        "subliminal re": {"report ", "reproduce "},
        "subliminal report --t": {"--text ", "--together "},
        "python -m subliminal.train mitigation=lim": {"mitigation=liminal "},
        "subliminal train -m mitigation=none,lim": {"mitigation=none,liminal"},
        "X=1 .venv/bin/python -m subliminal train 'mitigation=[l1,lim": {"mitigation=[l1,liminal"},
        "subliminal train distill.ba": {"distill.batch_size="},
        "subliminal train distill.batch_size=": {"distill.batch_size=1024 "},
        "subliminal train mitigation=anchor mitigation.": {"mitigation.anchor."},
        "subliminal train optim=adamw optim.weight_decay=": {"optim.weight_decay=0.01 "},
        "subliminal train optim@": {"optim@teacher.optim="},
        "subliminal train optim=matched/ada": {"optim=matched/adam ", "optim=matched/adamw "},
        "subliminal train sweep=noise2026/d": {"sweep=noise2026/depth "},
        "subliminal train --help distill/in": {"distill/init ", "distill/inputs "},
        "subliminal train -m pair=optim.lr,model.au": {"pair=optim.lr,model.aux"},
        "subliminal judge --entry ho": {"hot_targets "},
        "subliminal judge --track b": {"blind "},
        f"subliminal train --config-dir {tmp_path} mitigation=min": {"mitigation=mine "},
        f"subliminal train --config-dir={tmp_path} mitigation=mine mitigation.mine.": {
            "mitigation.mine.force="
        },
        "subliminal train --config-dir ": set(),  # the shell's own: files
        "subliminal --install-completion z": {"zsh "},
    }.items():
        assert set(completion.replies("zsh", line)) == expected, line


def test_bash_gets_the_part_behind_its_last_break() -> None:
    breaks = " \t\n\"'><=;|&(:"
    assert completion.replies("bash", "subliminal train mitigation=lim", breaks) == ["liminal "]
    assert completion.replies("bash", "subliminal train 'seed=pap", breaks) == ["seed=paper"]
    assert completion.replies("fish", "subliminal train seed=pap") == ["seed=paper"]


def test_an_answer_costs_less_than_a_third_of_a_second() -> None:
    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = cpu()  # on a busy machine its wall clock tells nothing
    line = "subliminal train mitigation=liminal mitigation."
    words = [sys.executable, "-X", "importtime", "-m", "subliminal", "--complete", "zsh", line]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert cpu() - before < 0.3
    assert not re.search(r"\| +(hydra|torch|polars)$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_completes_in_a_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    for name in ("subliminal", "python"):
        stub = tmp_path / name
        stub.write_text(STUB.format(python=sys.executable))
        stub.chmod(0o755)
    script = COMPLETIONS / f"subliminal.{shell}"
    typed = {
        "subliminal tra\tmitigation=lim\t": "<train><mitigation=liminal>",
        "subliminal train -m mitigation=none,lim\t": "<train><-m><mitigation=none,liminal>",
        "python -m subliminal.train optim.wei\t1": "<-m><subliminal.train><optim.weight_decay=1>",
    }
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execvpe(shell, [shell, *SHELLS[shell]], {**environment, "TERM": "xterm"})
    try:
        _type(terminal, f". {script}; echo re''ady\n", "ready")
        for keys, expected in typed.items():
            _type(terminal, f"{keys}\n", expected)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


def _type(terminal: int, keys: str, expected: str) -> None:
    """Type keys, and wait until the terminal shows a text."""
    os.write(terminal, keys.encode())
    shown, end = "", time.monotonic() + 20
    while expected not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")


def test_installing_twice_writes_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (tmp_path / ".bashrc").write_text("alias ll='ls -l'")
    first, second = completion.install(), completion.install("bash")
    assert (tmp_path / ".bashrc").read_text() == f"alias ll='ls -l'\nsource {first[0]}\n"
    assert first == second
    assert Path(second[0]).read_text().endswith("python python3\n")
    with pytest.raises(UserError, match="csh: one of bash, zsh, fish"):
        completion.install("csh")
