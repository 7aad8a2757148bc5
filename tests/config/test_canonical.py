"""Plain values of a config: those that OmegaConf's own function gives."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config.canonical import _plain

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False),
    st.sampled_from(["", "x", "a b", "${top}", "${nowhere}", r"\${top}", "1${top}", MISSING]),
)
TREES = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", 3]), below, max_size=3)
    ),
    max_leaves=12,
)


def outcome(convert: Any, cfg: DictConfig) -> Any:
    try:
        return convert(cfg)
    except OmegaConfBaseException as error:
        return type(error), str(error)


@given(st.dictionaries(st.sampled_from(["a", "b"]), TREES, max_size=2))
def test_they_are_omegaconfs(tree: dict[str, Any]) -> None:
    cfg = OmegaConf.create({"top": 1, **tree})

    def by_omegaconf(cfg: DictConfig) -> Any:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)

    assert outcome(_plain, cfg) == outcome(by_omegaconf, cfg)
