"""Distillation inputs, one a module."""
