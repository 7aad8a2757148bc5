"""Networks: shapes, initial weights, and a forward pass over a stack of seeds."""

from subliminal.tensors.network import Model as Model
