"""What the command line and the page tell of an option."""

import re
from dataclasses import fields
from pathlib import Path

import all_options as page
import pytest

from subliminal.config.build import locate
from subliminal.config.groups import options, variants
from subliminal.config.options import Option, describe
from subliminal.config.resources import CONF

ALL = [(group, name) for group, files in options().items() for name in files]


def test_the_pages_are_up_to_date_and_repeat_little() -> None:
    there = {f.name: f.read_text(encoding="utf-8") for f in page.FOLDER.glob("*.md")}
    assert there == page.pages(), "make options"
    for name, text in there.items():
        said = [line for line in text.splitlines() if len(line) > 60 and "eys" not in line]
        assert len(said) <= len(set(said)) + 3, name  # a key's less common meanings


@pytest.mark.parametrize(("group", "name"), ALL, ids=lambda part: part)
def test_every_key_of_every_option_is_told(group: str, name: str) -> None:
    option = describe(group, name, options()[group][name])
    assert option.about or option.source or option.content
    assert [key.name for key in option.keys if not key.about] == []
    if group.startswith("hydra/"):
        return
    target = re.search(r"^_target_: (.*)", options()[group][name].read_text(), re.MULTILINE)
    if target is not None:
        there = {item.name for item in fields(locate(target[1], ""))}
        assert {key.name for key in option.keys} == there  # none is left to a hidden default


def described(group: str, name: str) -> Option:
    return describe(group, name, variants(options(), group)[name])


def test_what_is_told_is_that_of_the_file_and_the_docstring() -> None:
    option = described("distill/inputs", "mix")
    assert option.about == "α of training digits, 1 − α of uniform noise."
    assert option.meaning.startswith("x = α · digit + (1 − α) · noise")
    alpha = next(key for key in option.keys if key.name == "alpha")
    assert (alpha.type, alpha.value, alpha.about) == ("float", "0.5", "α in [0, 1].")
    size = next(key for key in option.keys if key.name == "size")  # of the class that it extends
    assert (size.value, size.about) == ("60000", "images per epoch.")


def test_options_that_take_their_values_from_others_have_them() -> None:
    values = {key.name: key.value for key in described("optim", "adamw").keys}
    assert values["weight_decay"] == "0.01"
    assert values["lr"] == "0.0003"
    assert {k.name: k.value for k in described("optim", "matched/adam").keys}["lr"] == "2.5e-05"


def test_a_users_option_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(
        "# Mine.\n_target_: small.Digits\nroot: null # where\n"
    )
    option = describe("data", "mine", options([CONF, tmp_path])["data"]["mine"])
    assert option.about == "Mine."
    assert [(key.name, key.about) for key in option.keys] == [("root", "where")]
