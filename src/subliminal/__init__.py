"""Subliminal learning, seed by seed: Hydra sweeps with gradient alignment and trait accuracy."""
