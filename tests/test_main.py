"""`python -m subliminal COMMAND`: every command is found, and others are refused in one line."""

import re

import pytest

from subliminal import __main__ as dispatcher

COMMANDS = re.findall(r"^  (\w+)  ", str(dispatcher.__doc__), re.MULTILINE)


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
