"""The page on the package's architecture names what there is."""

import re
import tomllib

from subliminal.config.resources import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FLOORS = re.search(r"^\| floor \| .*\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
STEP = re.compile(r"\[`([\w/]+\.py)`\]\(\.\./src/subliminal/\1\)\s+`(\w+)`")


def test_the_storeys_are_those_that_lint_holds() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in pyproject["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    assert FLOORS is not None
    floors = [re.findall(r"`(\w+)`", row.split(" | ")[0]) for row in FLOORS[1].splitlines()]
    assert floors == [layer.split(" | ") for layer in layers]


def test_every_path_that_it_names_exists() -> None:
    cells = "".join(re.findall(r"^\| .* \| (.*) \|$", PAGE, re.MULTILINE))
    paths = {name for name in re.findall(r"`([\w/.]+)`", PAGE) if "/" in name and "." in name}
    paths |= set(re.findall(r"`(.*?)`", cells))
    assert len(paths) > 40
    places = (ROOT, ROOT / "src" / "subliminal")
    assert [p for p in sorted(paths) if not any((place / p).exists() for place in places)] == []


def test_the_way_of_a_run_has_at_most_ten_steps_by_functions_that_are_there() -> None:
    (way,) = re.findall(r"^## The way of one run\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert 5 < len(re.findall(r"^\d+\. ", way, re.MULTILINE)) <= 10
    found = STEP.findall(way)
    assert len({name for _, name in found}) > 10
    for file, name in found:
        text = (ROOT / "src" / "subliminal" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?(def|class) {name}\b", text, re.MULTILINE), (file, name)
