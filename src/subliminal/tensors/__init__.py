"""Tensors with a row for each seed: layouts, networks, random numbers and linear algebra."""
