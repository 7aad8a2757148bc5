"""The commands of `python -m subliminal`, a module each; `judge` and `report` are packages."""
