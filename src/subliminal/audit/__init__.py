"""Audit of distillation targets: whether a clean teacher made them, and what they would teach."""
