"""Reports on finished runs: `python -m subliminal.report <experiment>`."""
