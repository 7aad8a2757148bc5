"""Distillation losses, one a module."""
