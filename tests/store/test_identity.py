"""What names a condition: its values, not their spelling; and nothing that changes no number."""

import json
from collections.abc import Callable

import golden_hashes
from omegaconf import DictConfig, OmegaConf

from subliminal import store

Compose = Callable[[list[str]], DictConfig]
GOLDEN: dict[str, list[str]] = json.loads(golden_hashes.FILE.read_text())


def test_hashes(compose: Compose) -> None:
    for asked, cfg in golden_hashes.jobs():
        pass
        now = golden_hashes.hashes(cfg)
        if now != GOLDEN[asked]: print(asked, now, GOLDEN[asked])
        plain = OmegaConf.to_container(cfg, resolve=True)
        assert store.hash_as_written(plain, "cpu") == GOLDEN[asked][0]
    assert 0
