"""`python -m subliminal COMMAND`: every command is found, and others are refused in one line."""

import re
import runpy
from pathlib import Path

import pytest

from subliminal import __main__ as dispatcher
from subliminal.config import terminal
from subliminal.config.resources import ROOT

COMMANDS = re.findall(r"^  (\w+)  ", str(dispatcher.__doc__), re.MULTILINE)


STARTED = [
    file
    for folder in ("src", "docs/generate")
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
    assert call([name, "--help"], monkeypatch) == 0
    assert "subliminal" in capsys.readouterr().out


def test_others_are_refused_and_none_lists_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([], monkeypatch) == 0
    assert capsys.readouterr().out == dispatcher.__doc__
    assert call(["trian"], monkeypatch) == 2
    names = ", ".join(COMMANDS)
    assert capsys.readouterr().err == f"error: trian: no such command; there is {names}\n"


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
