"""CKA a second time, from its definition."""

import numpy as np


def hsic_cka(x: np.ndarray, y: np.ndarray) -> float:
    """CKA from its definition by HSIC (Gretton et al. 2005): tr(K H L H) / (n − 1)²."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ h @ b @ h)) / (n - 1) ** 2

    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))
