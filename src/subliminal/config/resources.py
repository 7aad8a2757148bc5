"""Where `conf/` and `sweeps/` lie: in the repository, or inside the installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]

ROOT = _CHECKOUT if (_CHECKOUT / "conf" / "config.yaml").is_file() else _PACKAGE
CONF = ROOT / "conf"
SWEEPS = ROOT / "sweeps"
