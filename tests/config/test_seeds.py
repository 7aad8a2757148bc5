from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from hydra.plugins.config_source import ConfigLoadError
from hypothesis import given
from hypothesis import strategies as st

from subliminal.config.seeds import GRAMMAR, LARGEST_SET, SEED_LIMIT, SeedSource, parse, quote
from subliminal.config.sources import register
from subliminal.errors import UserError

NAMED = {"paper", "smoke"}
CONFIG = """\
defaults:
  - seed: "0"
  - _self_
hydra:
  searchpath: ["seeds://"]
  run: {dir: out}
  sweep: {dir: out}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "conf"
    (folder / "seed").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "seed" / "paper.yaml").write_text("spec: 0-19\n")
    register()
    yield folder
    GlobalHydra.instance().clear()


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert GRAMMAR in message
    return message


def options(arg: str) -> list[str]:
    """What Hydra would ask the group for, job by job."""
    override = OverridesParser.create().parse_override(arg)
    if not override.is_sweep_override():
        value = override.value()
        assert isinstance(value, str)
        return [value]
    jobs = (f"seed={text}" for text in override.sweep_string_iterator())
    return [str(OverridesParser.create().parse_override(job).value()) for job in jobs]


# --- parse ---


@pytest.mark.parametrize(
    ("spec", "seeds"),
    [
        ("7", (7,)),
        ("0-3", (0, 1, 2, 3)),
        ("4-4", (4,)),
        ("10-11, 3 ,5-6", (10, 11, 3, 5, 6)),
        (str(SEED_LIMIT - 1), (SEED_LIMIT - 1,)),
    ],
)
def test_parse(spec: str, seeds: tuple[int, ...]) -> None:
    assert parse(spec) == seeds


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("", "''"),
        ("1,,2", "''"),
        ("a-b", "'a-b'"),
        ("-1", "'-1'"),
        ("1.5", "'1.5'"),
        ("0-", "'0-'"),
        ("0 - 3", "'0 - 3'"),
        ("٣", "'٣'"),  # a digit, but not one that a folder name should hold
        ("1\n2", r"'1\n2'"),
        ("5,19-0", "19-0 runs backwards"),
        ("0-4,3", "3 is named twice"),
        (str(SEED_LIMIT), "2**63"),
        ("9" * 9000, "2**63"),
        (f"0-{LARGEST_SET}", "1,000,000"),
        (f"0-{SEED_LIMIT - 1}", "1,000,000"),
    ],
)
def test_parse_refuses(spec: str, reason: str) -> None:
    with pytest.raises(UserError) as error:
        parse(spec)
    assert reason in one_line(error)


def test_the_largest_set() -> None:
    assert len(parse(f"1-{LARGEST_SET}")) == LARGEST_SET


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1), st.randoms())
def test_parse_reads_what_was_written(gaps: list[tuple[int, int]], random: object) -> None:
    ranges, end = [], 0
    for gap, length in gaps:
        ranges.append((end + gap, end + gap + length))
        end = ranges[-1][1]
    random.shuffle(ranges)  # type: ignore[attr-defined]
    spec = ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in ranges)
    assert parse(spec) == tuple(seed for a, b in ranges for seed in range(a, b + 1))


@given(st.text())
def test_parse_returns_seeds_or_one_line(text: str) -> None:
    message = "seeds"
    try:
        assert parse(text)
    except UserError as error:
        message = str(error)
    assert len(message.splitlines()) == 1


# --- quote ---


@pytest.mark.parametrize(
    ("arg", "quoted", "jobs"),
    [
        ("seed=7", "seed='7'", ["7"]),
        ("seed=0,1,2", "seed='0','1','2'", ["0", "1", "2"]),
        ("seed=range(0,3)", "seed='0','1','2'", ["0", "1", "2"]),
        ("seed=range(0,1)", "seed='0'", ["0"]),
        ("seed=str(7)", "seed='7'", ["7"]),
        ("seed=choice(4,'5',0-3)", "seed='4','5',0-3", ["4", "5", "0-3"]),
        ("seed=0,5-6,paper", "seed='0',5-6,paper", ["0", "5-6", "paper"]),
        ("seed=9,range(0,4,2),'3'", "seed='9','0','2','3'", ["9", "0", "2", "3"]),
        ("seed=sort(3,1)", "seed='1','3'", ["1", "3"]),
        ("seed=0-9,10-19", "seed=0-9,10-19", ["0-9", "10-19"]),
        ("seed=0-19", "seed=0-19", ["0-19"]),
        ("seed='7'", "seed='7'", ["7"]),
        ("seed=paper", "seed=paper", ["paper"]),
        ("seed=smoke.yaml", "seed=smoke.yaml", ["smoke.yaml"]),
    ],
)
def test_quote(arg: str, quoted: str, jobs: list[str]) -> None:
    assert quote(["-m", arg], named=NAMED) == ["-m", quoted]
    assert options(quoted) == jobs


@pytest.mark.parametrize(
    "value",
    ["${oc.env:SEED}", "glob(*)", "shuffle('0','1')", "interval(0,1)", "tag(a,choice('0','1'))"],
)
def test_quote_leaves_to_hydra_what_only_hydra_resolves(value: str) -> None:
    assert quote([f"seed={value}"], named=NAMED) == [f"seed={value}"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0-9,19-10", "19-10 runs backwards"),
        ("papr", "'papr' is not"),
        ("papr", "there is paper, smoke"),
        ("-1", "'-1'"),
        ("range(-1,2)", "'-1'"),
        ("", "''"),
        ("0-9,", "'0-9,'"),
        ("0-19-", "'0-19-'"),
        ("[0,1]", "'[0,1]'"),
        ("'0,1'", "'0,1'"),
        ("null", "'null'"),
        ("true", "'True'"),
        ("range(3,3)", "is empty"),
        ("range(0,3,0)", "'range(0,3,0)'"),
        ("range(0,1e99)", "over 1,000,000 jobs"),
        (f"range(0,{10**30})", "over 1,000,000 jobs"),
        (str(SEED_LIMIT), "2**63"),
    ],
)
def test_quote_refuses(value: str, reason: str) -> None:
    with pytest.raises(UserError) as error:
        quote([f"seed={value}"], named=NAMED)
    assert reason in one_line(error)


def test_quote_says_when_no_file_exists() -> None:
    with pytest.raises(UserError, match="there is no file"):
        quote(["seed=paper"], named=())


@given(
    st.lists(
        st.sampled_from(["-m", "--cfg", "job", "++foo=1", "+seed=7", "~seed", "seed.spec=0"])
        | st.text().filter(lambda text: not text.startswith("seed="))
    )
)
def test_quote_passes_other_arguments_on(argv: list[str]) -> None:
    assert quote(argv, named=NAMED) == argv


@st.composite
def option_texts(draw: st.DrawFn) -> str:
    first = draw(st.integers(0, SEED_LIMIT - 1000))
    last = first + draw(st.integers(0, 999))
    return draw(st.sampled_from([f"{first}", f"{first}-{last}", "paper", "smoke"]))


@given(st.lists(option_texts(), min_size=1, max_size=8))
def test_quoted_options_reach_hydra_as_typed(texts: list[str]) -> None:
    (arg,) = quote([f"seed={','.join(texts)}"], named=NAMED)
    assert options(arg) == texts
    assert quote([arg], named=NAMED) == [arg]


# --- the group in Hydra ---


@pytest.mark.parametrize(
    ("overrides", "spec"),
    [([], "0"), (["seed='7'"], "7"), (["seed=3-5"], "3-5"), (["seed=paper"], "0-19")],
)
def test_compose(conf: Path, overrides: list[str], spec: str) -> None:
    with initialize_config_dir(str(conf), version_base="1.3"):
        assert compose("config", overrides=overrides) == {"seed": {"spec": spec}}


def test_a_file_wins_over_the_option_of_its_name(conf: Path) -> None:
    (conf / "seed" / "7.yaml").write_text("spec: 70-79\n")
    with initialize_config_dir(str(conf), version_base="1.3"):
        assert compose("config", overrides=["seed='7'"]).seed.spec == "70-79"


def test_compose_refuses(conf: Path) -> None:
    with initialize_config_dir(str(conf), version_base="1.3"):
        with pytest.raises(UserError, match="19-0 runs backwards"):
            compose("config", overrides=["seed=19-0"])
        with pytest.raises(MissingConfigException, match=r"Could not find 'seed/papr'[\s\S]*paper"):
            compose("config", overrides=["seed=papr"])


def test_source() -> None:
    source = SeedSource(provider="test", path="seeds://")
    assert source.available()
    assert not SeedSource(provider="test", path="seeds://elsewhere").available()
    assert source.is_group(config_path="")
    assert source.is_group(config_path="seed")
    assert not source.is_group(config_path="seed/7")
    for path in ("seed/7", "seed/0-19", "seed/0-19.yaml"):
        assert source.is_config(config_path=path)
        assert source.exists(config_path=path)
    for path in ("", "seed", "7", "other/7", "seed/paper", "seed/-1", "seed/1/2", "seed/0,1"):
        assert not source.is_config(config_path=path)
    assert source.load_config(config_path="seed/0-19.yaml").config == {"spec": "0-19"}
    with pytest.raises(ConfigLoadError):
        source.load_config(config_path="seed/paper")
    assert source.list(config_path="", results_filter=None) == ["seed"]
    assert source.list(config_path="", results_filter=ObjectType.GROUP) == ["seed"]
    assert source.list(config_path="", results_filter=ObjectType.CONFIG) == []
    assert source.list(config_path="seed", results_filter=None) == []
