"""`python -m subliminal COMMAND`: every command is found, and others are refused in one line."""

import re
import runpy
from pathlib import Path

import pytest

from subliminal import __main__ as dispatcher
from subliminal.config import completion, terminal
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import ROOT

COMMANDS = re.findall(r"^  (\w+)  ", str(dispatcher.__doc__), re.MULTILINE)


STARTED = [
    file
    for folder in ("src", "docs/generate", "benchmarks")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if "if __name__ ==" in file.read_text(encoding="utf-8") and file.stem != "all_options"
]


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int | None:
    monkeypatch.setattr("sys.argv", ["subliminal", *words])
    try:
        return dispatcher.main()
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not call([name, "--help"], monkeypatch)
    out = capsys.readouterr().out
    assert f"subliminal {name}" in out
    if name == "runs":  # whose flags are those of its commands
        assert not call([name, "list", "--help"], monkeypatch)
        out = capsys.readouterr().out
    if name != "train":  # whose help is not made of its flags
        flags = set(re.findall(r"--[a-z-]+", out)) - {"--help"}
        assert flags == set(completion.FLAGS[name])


def test_hydras_flags_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {flag for action in get_args_parser()._actions for flag in action.option_strings}
    assert set(completion.FLAGS["train"]) <= there


@pytest.mark.parametrize("name", ["--complete", "--install-completion"])
def test_what_a_shell_calls_ends_with_a_status(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/csh")
    status = call([name, *(["zsh", "subliminal ju"] if name == "--complete" else [])], monkeypatch)
    shown = capsys.readouterr()
    assert (status, shown.out or shown.err) in [
        (0, "judge \n"),
        (2, "error: --install-completion csh: one of bash, zsh, fish\n"),
    ]


def test_others_are_refused_and_none_lists_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([], monkeypatch) == 0
    assert capsys.readouterr().out == dispatcher.__doc__
    assert call(["trian"], monkeypatch) == 2
    names = ", ".join(COMMANDS)
    assert (
        capsys.readouterr().err
        == f"error: trian: no such command; did you mean train? there is {names}\n"
    )


class SettledError(Exception):
    """The streams have been settled."""


@pytest.mark.parametrize("file", STARTED, ids=lambda file: f"{file.parent.stem}.{file.stem}")
def test_streams_are_settled_before_anything_is_written(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def settle() -> None:
        raise SettledError

    monkeypatch.setattr(terminal, "settle", settle)
    monkeypatch.setattr("sys.argv", ["command", "--help"])
    with pytest.raises(SettledError):
        runpy.run_path(str(file), run_name="__main__")
    assert capfd.readouterr() == ("", "")
